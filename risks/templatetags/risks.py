"""Template tags and filters of all pages; loaded everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from django import template
from django.forms.utils import flatatt
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from risks import formatting, markdown, rules
from risks.enums import MitigationKind
from risks.models import Mitigation

register = template.Library()

register.filter("day", formatting.day)
register.filter("moment", formatting.moment)
register.filter("share", formatting.share)
register.filter("attributes", flatatt)


@register.simple_tag
@cache
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite; always beside a word, so hidden from screen readers."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        extra, _sprite(), name,
    )  # fmt: skip


@cache
def _sprite() -> str:
    return static("vendor/tabler-icons/sprite.svg")


@register.simple_tag
def level(matrix_level: formatting.LevelLike | None, score: int | None = None) -> SafeString | str:
    """A level as word, number, colour and shape; empty if there is none."""
    return formatting.level_badge(matrix_level, score) if matrix_level else ""


@register.simple_tag
def money(amount: Any, currency: str) -> str:
    return formatting.money(amount, currency)


@register.simple_tag
def share_range(low: float | None, high: float | None) -> str:
    return formatting.share_range(low, high)


@register.simple_tag
def why_not(check: str, *args: Any) -> str:
    """The reason a rule refuses, empty if it allows: `{% why_not "edit_risk" scope.actor risk as why %}`."""
    rule: Callable[..., None] = getattr(rules, f"check_can_{check}")
    return rules.reason_against(rule, *args)


@register.simple_tag(takes_context=True)
def link_codes(context: Any, text: str) -> SafeString:
    """A text of a risk in which the codes of `named_risks` are links."""
    return markdown.link_codes(text, context.get("named_risks", {}))


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """`{{ counts|get:key }}`: an item by a key that is a variable; None if missing."""
    return mapping.get(key)


MITIGATION_ICONS = {
    MitigationKind.PREVENTION: "shield",
    MitigationKind.CONTINGENCY: "umbrella",
    MitigationKind.TRANSFER: "arrow-up-right",
    MitigationKind.DIVERSIFICATION: "arrows-split",
}


@register.simple_tag
def mitigation_icon(kind: str) -> SafeString:
    return icon(MITIGATION_ICONS[MitigationKind(kind)])


@register.simple_tag
def mitigation_groups(mitigations: Iterable[Mitigation]) -> list[tuple[MitigationKind, list[Mitigation]]]:
    """The mitigations by kind, in the order of the kinds; kinds without any are left out."""
    mitigations = list(mitigations)
    groups = [(kind, [each for each in mitigations if each.kind == kind]) for kind in MitigationKind]
    return [(kind, members) for kind, members in groups if members]


@register.filter
def days_late(due: date, today: date) -> int:
    """`{{ mitigation.due_date|days_late:today }}`."""
    return (today - due).days


@dataclass(frozen=True)
class AsOfMenu:
    """Ways to the same page of another day; `kept` is the rest of its address, `day` the one it shows."""

    path: str
    kept: list[tuple[str, str]]
    day: date | None
    asked: str
    latest: date
    quick: list[tuple[str, str]]
    today_url: str


@register.simple_tag(takes_context=True)
def as_of_menu(context: Any, asked: str = "", path: str = "") -> AsOfMenu:
    """`asked` is what was typed, if that is no day; `path` the page's, if that of the request is another."""
    request, today, day = context["request"], timezone.localdate(), context["scope"].as_of
    params = request.GET.copy()
    for name in ("as_of", "page"):
        params.pop(name, None)
    path = path or request.path

    def url(chosen: date | None) -> str:
        query = params.copy()
        if chosen:
            query["as_of"] = f"{chosen}"
        return f"{path}?{query.urlencode()}" if query else path

    first = today.replace(day=1)
    before = first - timedelta(days=1)
    quick = [
        (_("A week ago"), url(today - timedelta(days=7))),
        (_("A month ago"), url(before.replace(day=min(today.day, before.day)))),
        (_("End of last month"), url(before)),
    ]
    kept = [(name, value) for name, values in params.lists() for value in values]
    return AsOfMenu(
        path, kept, day, asked or (f"{day}" if day else ""), today - timedelta(days=1), quick, url(None)
    )

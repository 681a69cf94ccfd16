"""How values are written for people: money, shares, ranges and levels, in the language of the moment.

Used by pages, exports and reports alike, so that a figure reads the same in all of them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

_SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "HKD": "HK$", "JPY": "JP¥"}
RECENT = timedelta(days=30)


class LevelLike(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def mark(self) -> str: ...
    @property
    def tone(self) -> str: ...


def is_chinese() -> bool:
    return (get_language() or "").startswith("zh")


def share(value: float | None) -> str:
    """A share as a percentage with two significant figures: 0.034 → 3.4 %."""
    if value is None:
        return ""
    text = number_format(Decimal(f"{value * 100:.2g}").normalize(), use_l10n=True)
    return f"{text}%" if is_chinese() else f"{text} %"


def share_range(low: float | None, high: float | None) -> str:
    """A range of shares: `20–50 %`, `above 15 %`, `below 2 %`."""
    if low is None:
        return ""
    if high is None:
        return _("above %(share)s") % {"share": share(low)}
    if low == 0:
        return _("below %(share)s") % {"share": share(high)}
    return f"{share(low).rstrip(' %')}–{share(high)}"


def money_range(low: float, high: float | None, budget: Decimal | None, currency: str) -> str:
    """A range of shares of a budget as money; as shares where there is no budget."""
    if budget is None:
        return share_range(low, high)
    least, most = (None if end is None else money(float(budget) * end, currency) for end in (low, high))
    if most is None:
        return _("above %(share)s") % {"share": least}
    if low == 0:
        return _("below %(share)s") % {"share": most}
    return f"{least}–{most}"


def money(amount: Decimal | float | None, currency: str) -> str:
    """An amount with its currency, rounded to what a reader can use: ¥1.2 m; in Chinese 万 and 亿."""
    if amount is None:
        return ""
    value = float(f"{amount:.3g}")  # rounded first: 999,999 is 1 m, not 1,000 k
    symbol = _SYMBOLS.get(currency, currency + "\N{NO-BREAK SPACE}")
    for size, unit in _units():
        if abs(value) >= size:
            space = "" if is_chinese() else "\N{NO-BREAK SPACE}"
            return f"{symbol}{_short(value / size)}{space}{unit}"
    return f"{symbol}{_short(value)}"


def _units() -> list[tuple[float, str]]:
    if is_chinese():
        return [(1e8, "亿"), (1e4, "万")]
    return [
        (1e9, pgettext("billions, after a number", "bn")),
        (1e6, pgettext("millions, after a number", "m")),
        (1e3, pgettext("thousands, after a number", "k")),
    ]


def _short(value: float) -> str:
    """Three significant figures at most."""
    digits = 0 if abs(value) >= 100 else (1 if abs(value) >= 10 else 2)
    return (
        number_format(round(value, digits), digits, use_l10n=True).rstrip("0").rstrip(".")
        if digits
        else (number_format(round(value), 0, use_l10n=True, force_grouping=True))
    )


def loss(share_of_budget: float, budget: Decimal | None, currency: str) -> str:
    """An expected loss: as money where the register has a budget, else as a share of it; empty if unknown."""
    if not share_of_budget:
        return ""
    if budget is None:
        return _("%(share)s of the budget") % {"share": share(share_of_budget)}
    return money(float(budget) * share_of_budget, currency)


def day(value: date | datetime | None) -> str:
    """A date as the language writes it: 23 Nov 2026, 2026年11月23日."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = timezone.localtime(value).date()
    return _day(value, get_language())


@lru_cache(maxsize=4096)
def _day(value: date, _language: str | None) -> str:
    """A page writes the same few days over and over."""
    return date_format(value, "DATE_FORMAT")


def month(value: date) -> str:
    """The month of a date: November 2026, 2026年11月."""
    return date_format(value, "YEAR_MONTH_FORMAT")


def moment(value: datetime | None) -> str:
    return "" if value is None else date_format(timezone.localtime(value), "DATETIME_FORMAT")


def labelled(label: object, text: object) -> str:
    """What a text is, and the text: with the colon of the language."""
    return f"{label}{pgettext('after a label', ': ')}{text}"


def ago(when: datetime) -> str:
    """Relative while that is easier to grasp than the day: 8 days ago."""
    passed = timezone.now() - when
    if passed >= RECENT:
        return day(when)
    minutes = passed // timedelta(minutes=1)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {"count": minutes}
    hours = minutes // 60
    if hours < 24:
        return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
    return ngettext("%(count)d day ago", "%(count)d days ago", passed.days) % {"count": passed.days}


def level_badge(level: LevelLike, score: int | None = None) -> SafeString:
    """Word, number, colour and shape of a level: never colour alone."""
    return _badge(level.tone, level.mark, level.name, score)


@lru_cache(maxsize=1024)
def _badge(tone: str, mark: str, name: str, score: int | None) -> SafeString:
    if score is None:
        return format_html(
            '<span class="level tone-{}"><span aria-hidden="true">{}</span> {}</span>', tone, mark, name
        )
    return format_html(
        '<span class="level tone-{}"><span aria-hidden="true">{}</span> <b>{}</b> {}</span>',
        tone, mark, score, name,
    )  # fmt: skip

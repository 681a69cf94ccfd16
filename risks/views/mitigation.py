"""Mitigations: the table and the board of all, and adding, changing and removing them from their risk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias
from urllib.parse import quote

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from risks import rules
from risks.enums import MitigationState
from risks.exceptions import Conflict
from risks.filters import MitigationFilter
from risks.forms.merge import UNSEEN
from risks.forms.mitigation import MitigationForm, StateForm
from risks.forms.risk import add_errors
from risks.htmx import render_page, requested_partial
from risks.models import Mitigation, Risk
from risks.models.mitigation import MitigationQuerySet
from risks.queries.mitigation import Column, owners_load, read_board
from risks.queries.people import people_of
from risks.queries.risk import load_people
from risks.services.mitigation import add_mitigation, delete_mitigation, update_mitigation
from risks.tables import Address, MitigationTable
from risks.views.access import Scope, get_mitigation_or_404, get_risk_or_404, team_view
from risks.views.attachment import section_of, show_files_of
from risks.views.merge import save_merged

MENUS = ("kind", "state", "owner")
SECTION = {"mitigation-section": "risks/mitigation/_section.html"}
VIEWS = ("table", "board")
Columns: TypeAlias = list[tuple[Column, list[SafeString]]]


@require_safe
@team_view
def mitigation_list(request: HttpRequest, scope: Scope) -> HttpResponse:
    """All mitigations of the team or register as a table or, with ?view=board, as a board."""
    today, address = timezone.localdate(), Address(request.path, request.GET)
    people = list(people_of(scope.team))
    found = MitigationFilter(
        request.GET, scope.mitigations().filter(team=scope.team), user=scope.user, people=people, today=today
    )
    table = MitigationTable(
        found.qs,
        address=address,
        risks_path=reverse("risks:risk-list", args=[scope.team.slug]),
        registers=[*scope.registers, *scope.archived],
        today=today,
        people=people,
    )
    view = request.GET.get("view") or VIEWS[0]
    problems = [*found.problems, *table.errors.items()]
    if view not in VIEWS:
        problem = _("“%(value)s” is not one of the choices.") % {"value": view[:50]}
        problems.append((pgettext("list", "View"), problem))
    by_id = {person.pk: person for person in people}
    mitigations: Any = found.qs
    columns = _columns(request, scope, mitigations, table) if view == "board" and not problems else []
    context = {
        "table": table,
        "words": found.data.get("q", ""),
        "menus": [found.menu(name) for name in MENUS],
        "late": found.menu("late").options[0],
        "chips": [(chip, address.url(**{chip.name: chip.others})) for chip in found.chips],
        "clear_url": address.url(**dict.fromkeys(found.filters, "")),
        "kept": [
            (name, value) for name, values in address.params.lists() for value in values if name in _KEPT
        ],
        "view": view,
        "table_url": address.url(view=""),
        "board_url": address.url(view="board", sort=""),
        "problems": problems,
        "is_narrowed": bool(found.chips or found.data.get("q")),
        "columns": columns,
        "count": sum(column.count for column, _cards in columns) if view == "board" else table.total,
        "loads": [
            (load, address.url(owner=str(load.owner.pk) if load.owner else "none", state="pending", late=""))
            for load in owners_load(scope.mitigations(), scope.team, by_id, today)
        ],
    }
    partials = {"mitigation-page": "risks/mitigation/_page.html"}
    return render_page(
        request, "risks/mitigation/list.html", context, partials=partials, status=422 if problems else 200
    )


_KEPT = frozenset({"register", "view", "sort", "per_page", "density"})


@dataclass(frozen=True)
class Cards:
    """Writes the cards of the board; like the rows of a table, for a template takes ten times as long."""

    request: HttpRequest
    scope: Scope
    table: MitigationTable

    @cached_property
    def hidden(self) -> SafeString:
        """What every card's form carries."""
        return format_html(
            '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
            '<input type="hidden" name="next" value="{}">',
            get_token(self.request), self.request.get_full_path(),
        )  # fmt: skip

    @cached_property
    def here(self) -> str:
        return quote(self.request.get_full_path())

    def html(self, mitigation: Mitigation, options: SafeString) -> SafeString:
        """A card: dragged, or moved by its select."""
        table, url = self.table, f"{self.table.address.path}{mitigation.pk}/"
        mitigation.risk.register = self.scope.register_of(mitigation.risk.register_id)
        why = rules.reason_against(rules.check_can_edit_mitigation, self.scope.actor, mitigation)
        due = table.cell_due(mitigation)
        return format_html(
            '<article class="mcard kind-{}" id="card-{}"{}>{}<h3><a href="{}?next={}">{}</a></h3>{}'
            '<p class="mcard-facts">{}{}{}</p>{}</article>',
            mitigation.kind, mitigation.pk, "" if why else SafeString(' draggable="true"'),
            self._head(mitigation), url, self.here, mitigation.title, self._trigger(mitigation),
            table.cell_owner(mitigation), " · " if due else "", due,
            self._form(mitigation, f"{url}state/", options, why),
        )  # fmt: skip

    def _head(self, mitigation: Mitigation) -> SafeString:
        name, sign = self.table.kinds[mitigation.kind]
        risk = mitigation.risk
        return format_html(
            '<p class="kind">{} {} <a class="mcard-code" href="{}{}/" title="{}">{}</a></p>',
            sign, name, self.table.risks_path, risk.code, risk.title, risk.code,
        )  # fmt: skip

    def _trigger(self, mitigation: Mitigation) -> SafeString | str:
        if not mitigation.trigger:
            return ""
        return format_html('<p class="trigger">{} {}</p>', _("Trigger:"), mitigation.trigger)

    def _form(self, mitigation: Mitigation, action: str, options: SafeString, why: str) -> SafeString:
        send = format_html('<button class="btn btn-sm nojs-only" type="submit">{}</button>', _("Move"))
        return format_html(
            '<form class="mcard-state" method="post" action="{}">{}'
            '<input type="hidden" name="version" value="{}">'
            '<select class="form-select form-select-sm" name="state" data-submit aria-label="{}: {}"{}>{}'
            "</select>{}</form>",
            action, self.hidden, mitigation.version, _("State"), mitigation.title,
            format_html(' disabled title="{}"', why) if why else "", options, "" if why else send,
        )  # fmt: skip


def _columns(
    request: HttpRequest, scope: Scope, found: MitigationQuerySet, table: MitigationTable
) -> Columns:
    """Each column with its cards."""
    cards = Cards(request, scope, table)
    columns = []
    for column in read_board(found, table.today):
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            ((state, " selected" if state == column.state else "", state.label) for state in MitigationState),
        )
        columns.append((column, [cards.html(mitigation, options) for mitigation in column.cards]))
    return columns


# --- one mitigation, in the page of its risk or on a page of its own


@team_view
def mitigation_create(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    risk = get_risk_or_404(scope, code)
    rules.check_can_add_mitigation(scope.actor, risk)
    new = Mitigation(risk=risk, team=scope.team, register=risk.register)
    form = MitigationForm(request.POST or None, instance=new, register=risk.register)
    if request.method == "POST" and form.is_valid():
        try:
            added = add_mitigation(risk, form.values(), by=scope.actor)
        except ValidationError as error:
            add_errors(form, error)
        else:
            messages.success(request, _("The mitigation is added."))
            return _answer(request, scope, risk, added)
    return _show_form(request, scope, risk, form)


@team_view
def mitigation_update(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """The form of one mitigation; for those who may not change it, the same to read."""
    mitigation = get_mitigation_or_404(scope, pk)
    risk = mitigation.risk

    def form_of(now: Mitigation, data: Any) -> MitigationForm:
        return MitigationForm(data, instance=now, register=risk.register)

    def save(form: MitigationForm) -> None:
        update_mitigation(mitigation, form.mine(form.values()), by=scope.actor)

    status, form = 200, form_of(mitigation, None)
    if request.method == "POST":
        rules.check_can_edit_mitigation(scope.actor, mitigation)
        status, form = save_merged(request, mitigation, form_of=form_of, save=save)
        if status == 200:
            messages.success(request, _("Saved."))
            return _answer(request, scope, risk, mitigation)
    return _show_form(request, scope, risk, form, mitigation, status=status)


@require_POST
@team_view
def mitigation_state(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Move a mitigation to another state."""
    mitigation = get_mitigation_or_404(scope, pk)
    rules.check_can_edit_mitigation(scope.actor, mitigation)
    form, status = StateForm(request.POST), 200
    if not form.is_valid():
        seen = "version" not in form.errors
        messages.error(request, _("Choose one of the states.") if seen else str(UNSEEN))
        status = 422
    else:
        try:
            update_mitigation(
                mitigation,
                {"state": form.cleaned_data["state"]},
                by=scope.actor,
                seen_version=form.cleaned_data["version"],
            )
        except Conflict as error:
            messages.error(request, str(error.message))
            status = 409
        else:
            messages.success(request, _("Saved."))
    return _answer(request, scope, mitigation.risk, mitigation, status=status)


@team_view
def mitigation_delete(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Asks first; what was given up is dropped instead and stays."""
    mitigation = get_mitigation_or_404(scope, pk)
    rules.check_can_edit_mitigation(scope.actor, mitigation)
    if request.method == "POST":
        delete_mitigation(mitigation, by=scope.actor)
        messages.success(request, _("“%(title)s” is deleted.") % {"title": mitigation.title})
        return _answer(request, scope, mitigation.risk)
    return render_page(
        request, "risks/mitigation/delete.html", {"mitigation": mitigation, "risk": mitigation.risk}
    )


def _section(risk: Risk, **more: Any) -> dict[str, Any]:
    """Context of the section; `changed` is the mitigation that the focus goes to."""
    mitigations = list(risk.mitigations.all())
    load_people((mitigations, "owner"), team_id=risk.team_id)
    for mitigation in mitigations:
        mitigation.risk = risk
    return {"risk": risk, "mitigations": mitigations, "form": None, "editing": None, "changed": None, **more}


def _answer(
    request: HttpRequest, scope: Scope, risk: Risk, changed: Mitigation | None = None, *, status: int = 200
) -> HttpResponse:
    """The section anew for the page that holds it; else back to where the person was."""
    if requested_partial(request, SECTION):
        section = _section(risk, changed=changed, shown_files=show_files_of(scope, risk))
        return render_page(request, "", section, partials=SECTION, status=status)
    home = reverse("risks:risk-detail", args=[scope.team.slug, risk.code]) + "#mitigation-section"
    return HttpResponseRedirect(_next(request) or home)


def _show_form(
    request: HttpRequest,
    scope: Scope,
    risk: Risk,
    form: MitigationForm,
    mitigation: Mitigation | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "editing": mitigation, "next": _next(request)}
    shown = show_files_of(scope, risk)
    if requested_partial(request, SECTION):
        context |= _section(risk, **context, shown_files=shown)
    elif mitigation:
        context |= section_of(scope, risk, shown.of_mitigation[mitigation.pk], mitigation=mitigation)
    else:
        context["risk"] = risk
    status = 422 if form.errors and status == 200 else status
    return render_page(request, "risks/mitigation/form.html", context, partials=SECTION, status=status)


def _next(request: HttpRequest) -> str:
    """Where the person came from, if that is a page of ours."""
    there = request.POST.get("next") or request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(there, {request.get_host()}, request.is_secure())
    return there if ours else ""

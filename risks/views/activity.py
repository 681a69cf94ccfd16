"""The trail: of a risk on its page, of a register and of the team on a page of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url

from risks import rules
from risks.enums import Role
from risks.exceptions import Invalid
from risks.exchange.activity import activity_sheet
from risks.exchange.csv import csv_response
from risks.exchange.xlsx import MAX_ROWS, xlsx_response
from risks.forms.activity import ActivityForm
from risks.htmx import render_page
from risks.models import AuditEvent, Indicator, Mitigation, Register, Risk, User
from risks.queries.activity import Line, Named, Reader, describe, people_in
from risks.queries.matrix import LoadedMatrix
from risks.queries.people import people_of
from risks.queries.risk_list import people_by_id
from risks.queries.trail import Lines, TrailPage, lines_of, read_page
from risks.services.export import record_export
from risks.services.seal import Chain, newest_seal, verify_chain
from risks.services.undo import Objects, offers, undo_change
from risks.tables import Address
from risks.views.access import Scope, hands_out, team_view

PARTIALS = {"activity-page": "risks/activity/_page.html"}
EXPORTS = {"csv": csv_response, "xlsx": xlsx_response}
VERIFIED_HERE = 20_000
"""Lines of a chain that are verified while somebody waits; a longer one is for the command."""


# --- the page


@team_view
@require_safe
def activity(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Who did what, in the team or in the register of ?register=, narrowed as the address says."""
    return _show(request, scope)


def _show(request: HttpRequest, scope: Scope, **more: Any) -> HttpResponse:
    people = {person.pk: person for person in people_of(scope.team)}
    form, page = ActivityForm(request.GET, people=people.values()), TrailPage([], None, None)
    valid = form.is_valid()
    if valid:
        given = form.cleaned_data
        page = read_page(form.wanted.narrow(_lines(scope)), before=given["before"], after=given["after"])
    address = Address(reverse("risks:activity", args=[scope.team.slug]), request.GET)
    here = {"before": "", "after": ""}
    context = {
        "form": form,
        "filters": [form[name] for name in ("person", "act", "type", "from_date", "to_date")],
        "problems": [*form.non_field_errors(), *form["before"].errors, *form["after"].errors],
        "path": address.path,
        "formats": [("csv", "CSV"), ("xlsx", "Excel")],
        "lines": describe_page(scope, page.events, people),
        "newer_url": address.url(**here | {"after": str(page.newer)}) if page.newer else "",
        "older_url": address.url(**here | {"before": str(page.older)}) if page.older else "",
        "newest_url": address.url(**here) if request.GET.get("before") or request.GET.get("after") else "",
        "clear_url": address.url(**here | dict.fromkeys(form.narrowing, "")),
        "export_query": Address("", request.GET).url(**here).partition("?")[2],
        "sees_all": rules.can_see_team_activity(scope.actor),
        "sealed": newest_seal(scope.team) if _may_verify(scope) else None,
        "may_verify": _may_verify(scope),
        **more,
    }
    response = render_page(
        request, "risks/activity/list.html", context, partials=PARTIALS, status=200 if valid else 422
    )
    if request.htmx and request.method == "GET":  # type: ignore[attr-defined]
        push_url(response, address.url())  # without the empty parameters that a form sends
    return response


def _lines(scope: Scope) -> Lines:
    return lines_of(scope.team, scope.register, sees_all=rules.can_see_team_activity(scope.actor))


def _may_verify(scope: Scope) -> bool:
    return scope.actor.role == Role.ADMINISTRATOR and scope.register is None


def describe_page(scope: Scope, events: Sequence[AuditEvent], people: Mapping[int, User]) -> list[Line]:
    """The lines of a page: links to what is still there, and what can be undone. Five queries at most."""
    known = {**people, **people_by_id(people_in(events) - people.keys())}
    rows = _rows(scope, events)
    reader = Reader(
        matrix_of=lambda register_id: _matrix(scope, register_id),
        team_id=scope.team.pk,
        people=known,
        objects=_named(scope, events, rows),
        undo=offers(events, rows, scope.actor, people),
        undo_path=reverse("risks:activity", args=[scope.team.slug]),
    )
    return describe(events, reader)


def describe_risk(
    scope: Scope, risk: Risk, events: Sequence[AuditEvent], known: Mapping[str, Any]
) -> list[Line]:
    """The lines of one risk; `known` is what its page has loaded of people, texts and rows."""
    matrix = scope.matrix_of(risk.register_id)
    rows: dict[tuple[str, int], models.Model] = {("risk", risk.pk): risk}
    rows |= {("mitigation", each.pk): each for each in known.get("mitigations", ())}
    for indicator in known.get("indicator_rows", ()):
        indicator.risk = risk
        rows["indicator", indicator.pk] = indicator
    if "mitigations" not in known:
        rows |= _rows(scope, [event for event in events if event.object_type != "risk"])
    if "known_people" in known:
        people = known["known_people"]
    else:
        people = people_by_id(people_in(events), scope.team.pk)
    reader = Reader(
        matrix_of=lambda _register: matrix,
        team_id=scope.team.pk,
        people=people,
        texts=known.get("texts", {}),
        undo={} if scope.as_of else offers(events, rows, scope.actor, people),
        undo_path=reverse("risks:activity", args=[scope.team.slug]),
    )
    return describe(events, reader)


def _matrix(scope: Scope, register_id: int | None) -> LoadedMatrix | None:
    """None: the register is gone."""
    return scope.matrix_of(register_id) if register_id in _registers(scope) else None


def _registers(scope: Scope) -> dict[int, Register]:
    return {register.pk: register for register in (*scope.registers, *scope.archived)}


def _rows(scope: Scope, events: Sequence[AuditEvent]) -> Objects:
    """Those that the lines are about and that are still there, with what the rules need. Three queries."""
    registers = _registers(scope)
    rows: dict[tuple[str, int], models.Model] = {("register", pk): each for pk, each in registers.items()}
    ids = {
        kind: {event.object_id for event in events if event.object_type == kind and event.object_id}
        for kind in ("mitigation", "indicator")
    }
    risk_ids = {event.risk_id for event in events if event.risk_id}
    risks = {risk.pk: risk for risk in Risk.objects.filter(team=scope.team, pk__in=risk_ids)}
    for risk in risks.values():
        risk.register, rows["risk", risk.pk] = registers[risk.register_id], risk
    for model, kind in ((Mitigation, "mitigation"), (Indicator, "indicator")):
        found: Any = model._default_manager.filter(pk__in=ids[kind], risk__in=risks) if ids[kind] else ()
        for row in found:
            row.risk, rows[kind, row.pk] = risks[row.risk_id], row
    return rows


def _named(scope: Scope, events: Sequence[AuditEvent], rows: Objects) -> dict[tuple[str, int], Named]:
    """What the objects are called now, and where their pages are."""
    risks_path = reverse("risks:risk-list", args=[scope.team.slug])
    named = {}
    for (kind, pk), row in rows.items():
        if isinstance(row, Register):
            named[kind, pk] = Named(str(row), f"{risks_path}?register={row.key}")
        elif isinstance(row, Risk):
            named[kind, pk] = Named(str(row), f"{risks_path}{row.code}/")
        else:
            named[kind, pk] = Named(str(row), f"{risks_path}{row.risk.code}/")  # type: ignore[attr-defined]
    for event in events:
        risk = rows.get(("risk", event.risk_id or 0))
        key = (event.object_type, event.object_id or 0)
        if isinstance(risk, Risk) and key not in named and event.object_type in ("comment", "attachment"):
            label = str(risk) if event.object_type == "comment" else event.object_label
            named[key] = Named(label, f"{risks_path}{risk.code}/")
    return named


# --- a file of it


@team_view
@require_safe
@hands_out
def activity_export(request: HttpRequest, scope: Scope, format: str) -> HttpResponseBase:  # noqa: A002
    """The lines that the address asks for, all of them."""
    write = EXPORTS.get(format)
    if write is None:
        raise Http404
    people = {person.pk: person for person in people_of(scope.team)}
    form = ActivityForm(request.GET, people=people.values())
    if not form.is_valid():
        raise Invalid(" ".join(str(error) for errors in form.errors.values() for error in errors))
    lines = form.wanted.narrow(_lines(scope))
    if format == "xlsx" and lines[MAX_ROWS : MAX_ROWS + 1].exists():
        raise Invalid(
            _("An Excel file takes at most %(count)d lines. Narrow them, or take CSV.") % {"count": MAX_ROWS}
        )
    source = scope.register.key if scope.register else scope.team.slug
    name = f"{source}-activity-{timezone.localdate():%Y-%m-%d}.{format}"
    asked = {"query": Address("", request.GET).query}
    event = record_export(scope.register or scope.team, name, by=scope.actor, asked=asked)
    reader = Reader(
        matrix_of=lambda register_id: _matrix(scope, register_id), team_id=scope.team.pk, objects={}
    )
    registers = {pk: register.key for pk, register in _registers(scope).items()}
    sheet = activity_sheet(lines.filter(pk__lt=event.pk), reader=reader, registers=registers)
    return write(sheet, name)


# --- undo


@team_view
@require_POST
def activity_undo(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Take back the change of one field that a line tells of."""
    event = get_object_or_404(_lines(scope), pk=pk) if pk < 2**63 else None
    if event is None:
        raise Http404
    try:
        undo_change(event, request.POST.get("field", ""), by=scope.actor)
    except ValidationError as error:  # the old value no longer fits the rest
        raise Invalid(" ".join(error.messages)) from error
    messages.success(request, _("The change is undone."))
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        return redirect(back)
    return redirect("risks:activity", scope.team.slug)


# --- the chain


@team_view
@require_POST
def activity_verify(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Compute the team's chain anew and say whether it holds."""
    rules.check_can_administer(scope.actor)
    seal = newest_seal(scope.team)
    chain: Chain | None = None
    if AuditEvent.objects.filter(team=scope.team)[VERIFIED_HERE : VERIFIED_HERE + 1].exists():
        messages.error(
            request,
            _("This chain is too long to verify here. Run on the server: %(command)s")
            % {"command": f"manage.py verify_trail --team {scope.team.slug}"},
        )
    elif seal:
        chain = verify_chain(scope.team)
    return _show(request, scope, verified=chain)

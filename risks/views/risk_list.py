"""The list of risks: filters, order, columns, saved views, changes in place and of many, exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url, replace_url, trigger_client_event

from risks import rules
from risks.exceptions import Conflict, Invalid
from risks.exchange.csv import csv_response
from risks.exchange.rows import risk_sheet
from risks.exchange.xlsx import MAX_ROWS, xlsx_response
from risks.filters import RiskFilter
from risks.formatting import labelled
from risks.forms.merge import UNSEEN
from risks.forms.risk_list import (
    FIELD_FORMS,
    BulkForm,
    FieldForm,
    OwnerForm,
    ReviewForm,
    SaveViewForm,
    Selection,
    StateForm,
    seal_versions,
    unseal_versions,
)
from risks.htmx import render_page
from risks.models import Risk, SavedView
from risks.models.search import count_risks
from risks.queries.risk_list import Options, load_options
from risks.services.export import record_export
from risks.services.risk import bulk_update_risks, move_risk, update_risk
from risks.services.team import delete_view, save_view
from risks.tables import Address, RiskTable
from risks.views.access import AS_OF, Scope, dated_view, get_risk_or_404, hands_out, team_view

MENUS = ("state", "level", "category", "owner", "strategy", "late", "moved")
SWITCHES = ("mine", "unassessed")
EXPORTS = {"csv": csv_response, "xlsx": xlsx_response}


@dataclass(frozen=True)
class RiskList:
    """The list as the address asks for it."""

    scope: Scope
    address: Address
    options: Options
    filter: RiskFilter
    table: RiskTable

    @property
    def problems(self) -> list[tuple[Any, str]]:
        return [*self.filter.problems, *self.table.problems]

    @property
    def is_narrowed(self) -> bool:
        return bool(self.filter.chips or self.address.params.get("q"))


def read_list(request: HttpRequest, scope: Scope) -> RiskList:
    """The filtered and ordered list of the address's query; its rows are not read yet."""
    address = Address(reverse("risks:risk-list", args=[scope.team.slug]), request.GET)
    every, options, registers = scope.risks(), load_options(scope.team), scope.shown_registers
    if not scope.as_of:  # even of one register: the indexes of most orders begin with the team
        every = every.filter(team=scope.team)
    risks = RiskFilter(
        request.GET, every, user=scope.user, registers=registers, options=options,
        today=scope.today, until=scope.until,
    )  # fmt: skip
    table = RiskTable(
        risks.qs, address=address, actor=scope.actor, registers=registers, options=options,
        today=scope.today, until=scope.until,
    )  # fmt: skip
    if set(risks.filters) == {"q"} and not (risks.problems or table.errors or scope.as_of):
        register = scope.register
        table.counted = count_risks(
            risks.form.cleaned_data["q"], team_id=scope.team.pk, register_id=register.pk if register else None
        )
    return RiskList(scope, address, options, risks, table)


def show_list(
    request: HttpRequest, page: RiskList, *, view_form: SaveViewForm | None = None, status: int = 200
) -> HttpResponse:
    narrowing, address = page.filter, page.address
    context = {
        "page": page,
        "table": page.table,
        "words": narrowing.data.get("q", ""),
        "menus": [narrowing.menu(name) for name in MENUS],
        "switches": [narrowing.menu(name) for name in SWITCHES],
        "chips": [(chip, address.url(**{chip.name: chip.others})) for chip in narrowing.chips],
        "clear_url": address.url(**dict.fromkeys(RiskFilter.base_filters, "")),
        "kept": [(name, value) for name, value in _pairs(address) if name not in _SHOWN_AS_CONTROLS],
        "kept_by_display": [(name, value) for name, value in _pairs(address) if name not in _DISPLAY],
        "views": [(view, url, url == address.url()) for view, url in _saved_views(page)],
        "all_url": _same_day(page, QueryDict()).url(register=page.scope.register_key),
        "view_form": view_form or SaveViewForm(),
        "current_query": address.query,
        "here_url": address.url(page=request.GET.get("page", "")),
    }
    response = render_page(
        request, "risks/risk/list.html", context,
        partials={"risk-list": "risks/risk/_list.html"}, status=422 if page.problems else status,
    )  # fmt: skip
    if request.htmx:  # type: ignore[attr-defined]
        keep = replace_url if request.htmx.trigger == "list-search" else push_url  # type: ignore[attr-defined]
        keep(response, context["here_url"])
    return response


def _saved_views(page: RiskList) -> Iterator[tuple[SavedView, str]]:
    """With their addresses."""
    for view in SavedView.objects.filter(team=page.scope.team, user=page.scope.user):
        yield view, _same_day(page, QueryDict(view.query)).url()


def _same_day(page: RiskList, params: QueryDict) -> Address:
    """Another list, of the day that is looked at."""
    query = params.copy()
    if page.scope.as_of:
        query[AS_OF] = f"{page.scope.as_of}"
    return Address(page.address.path, query)


_SHOWN_AS_CONTROLS = frozenset({"q", "subcategory", "page", *MENUS, *SWITCHES})
_DISPLAY = frozenset({"columns", "sort", "density", "per_page", "page"})


def _pairs(address: Address) -> list[tuple[str, str]]:
    return [(name, value) for name, values in address.params.lists() for value in values if value]


@dated_view
@require_safe
def risk_list(request: HttpRequest, scope: Scope) -> HttpResponse:
    return show_list(request, read_list(request, scope))


# --- one value in place


@team_view
def risk_field(request: HttpRequest, scope: Scope, code: str, field: str) -> HttpResponse:
    """The form of one value: a small page, or the cell of the list with the form below its value."""
    form_class = FIELD_FORMS.get(field)
    if form_class is None:
        raise Http404
    risk = get_risk_or_404(scope, code)
    _check_can_change(scope, risk, form_class)
    given = request.POST if request.method == "POST" else None
    status = 200
    if given is not None:
        status, risk, form = _save_field(scope, risk, form_class, given)
        if form is None:
            messages.success(request, _("%(code)s is saved.") % {"code": risk.code})
            if not request.htmx:  # type: ignore[attr-defined]
                return HttpResponseRedirect(_way_back(request, scope, given.get("next", "")))
    else:
        form = _field_form(scope, risk, form_class)
    context = {
        "risk": risk,
        "field": field,
        "form": form,
        "conflict": status == 409,
        "cell": _cell(scope, risk, field),
        "may_accept": field == "state" and any(move.needs_approval for move in _moves(scope, risk)),
        "next": _way_back(request, scope, request.POST.get("next") or request.headers.get("Referer", "")),
    }
    return render_page(
        request, "risks/risk/field.html", context,
        partials={f"{risk.code}-{field}": "risks/risk/_field.html"}, status=status,
    )  # fmt: skip


def _check_can_change(scope: Scope, risk: Risk, form_class: type[FieldForm]) -> None:
    if form_class is not StateForm:
        rules.check_can_edit_risk(scope.actor, risk)
    elif not _moves(scope, risk):
        rules.check_can_move_risk(scope.actor, risk, rules.moves_from(risk.state)[0])


def _moves(scope: Scope, risk: Risk) -> list[rules.Move]:
    return [move for move in rules.moves_from(risk.state) if rules.can_move_risk(scope.actor, risk, move)]


def _field_form(scope: Scope, risk: Risk, form_class: type[FieldForm], data: Any = None) -> FieldForm:
    return form_class(data, risk=risk, options=load_options(scope.team), moves=_moves(scope, risk))


def _save_field(
    scope: Scope, risk: Risk, form_class: type[FieldForm], data: Any
) -> tuple[int, Risk, FieldForm | None]:
    """Save what was sent: status, the risk as it is now, and the form if it is still needed."""
    form = _field_form(scope, risk, form_class, data)
    try:
        seen = form.fields["version"].clean(data.get("version"))
        if seen != risk.version:
            raise Conflict("")
        if not form.is_valid():
            return 422, risk, form
        if isinstance(form, StateForm):
            saved = move_risk(
                risk, form.chosen_move, by=scope.actor, reason=form.reason_text, seen_version=seen
            )
        else:
            assert isinstance(form, OwnerForm | ReviewForm)  # noqa: S101
            saved = update_risk(risk, form.changes, by=scope.actor, seen_version=seen)
    except Conflict:
        risk = get_risk_or_404(scope, risk.code)
        data = data.copy()
        data["version"] = str(risk.version)
        return 409, risk, _field_form(scope, risk, form_class, data)
    except Invalid as error:
        form.add_error(error.field if error.field in form.fields else None, str(error.message))
        return 422, risk, form
    except ValidationError as error:
        form.add_error(None, error.messages)
        return 422, risk, form
    saved.register = risk.register
    return 200, saved, None


def _cell(scope: Scope, risk: Risk, field: str) -> Any:
    """The value as the list shows it."""
    options = Options({risk.owner.pk: risk.owner} if risk.owner else {}, {})
    address = Address(reverse("risks:risk-list", args=[scope.team.slug]), QueryDict())
    table = RiskTable(
        Risk.objects.none(), address=address, actor=scope.actor, registers=scope.registers,
        options=options, today=timezone.localdate(),
    )  # fmt: skip
    return getattr(table, f"cell_{field}")(risk)


def _way_back(request: HttpRequest, scope: Scope, target: str) -> str:
    """Where one came from, if that is a page of ours and not this form; else the list."""
    ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    if ours and request.path not in target:
        return target
    return reverse("risks:risk-list", args=[scope.team.slug])


# --- many risks at once


@team_view
def risk_bulk(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Ask what to change of the ticked risks, then change it. The query is that of the list they are in."""
    rules.check_can_bulk_edit(scope.actor, scope.register)
    page = read_list(request, scope)
    if request.method != "POST":
        return redirect(page.address.url())
    selection = Selection.of(request.POST, page.table.total)
    saving = request.POST.get("step") == "save"
    form = BulkForm(request.POST if saving else None, options=page.options)
    if selection.problem:
        return _bulk_refused(request, page, selection)
    seen = unseal_versions(scope.team, request.POST.get("seen", ""))
    status = 422 if saving else 200
    if saving and form.is_valid():
        ids = list(page.filter.qs.values_list("pk", flat=True)) if selection.everything else selection.ids
        try:
            if seen is None:
                raise Invalid(UNSEEN)
            count = bulk_update_risks(
                ids, form.changes, by=scope.actor, move=form.chosen_move, reason=form.reason_text, seen=seen
            )
        except (Invalid, Conflict) as error:
            form.add_error(error.field if error.field in form.fields else None, str(error.message))
            if isinstance(error, Conflict):
                status, seen = 409, None
        else:
            return _bulk_done(request, page, count)
    codes = Risk.objects.filter(team=scope.team, pk__in=selection.ids[:10]).values_list("code", flat=True)
    context = {
        "form": form,
        "selection": selection,
        "codes": list(codes.order_by("pk")),
        "more": max(0, len(selection.ids) - 10),
        "page": page,
        "action": f"{request.path}?{page.address.query}",
        "seen": seal_versions(scope.team, seen or _versions(scope, page, selection)),
    }
    return render_page(
        request, "risks/risk/bulk.html", context,
        partials={"risk-bulk": "risks/risk/_bulk.html"}, status=status,
    )  # fmt: skip


def _versions(scope: Scope, page: RiskList, selection: Selection) -> dict[int, int]:
    """Of all risks that may be changed at once from here."""
    versions = dict(Risk.objects.filter(team=scope.team, pk__in=selection.ids).values_list("pk", "version"))
    if selection.everything or selection.may_be_everything:
        versions |= dict(page.filter.qs.order_by().values_list("pk", "version"))
    return versions


def _bulk_refused(request: HttpRequest, page: RiskList, selection: Selection) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        raise Invalid(selection.problem)
    messages.error(request, selection.problem)
    return redirect(page.address.url())


def _bulk_done(request: HttpRequest, page: RiskList, count: int) -> HttpResponse:
    text = ngettext("%(count)d risk is changed.", "%(count)d risks are changed.", count) % {"count": count}
    messages.success(request, text)
    if request.htmx:  # type: ignore[attr-defined]
        return trigger_client_event(HttpResponse(), "list-changed", {}, after="receive")
    return redirect(page.address.url())


# --- saved views


@team_view
@require_POST
def view_save(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Keep the list in the query under a name."""
    page = read_list(request, scope)
    form = SaveViewForm(request.POST)
    if form.is_valid():
        try:
            view = save_view(scope.team, scope.user, form.cleaned_data["name"], page.address.query)
        except ValidationError as error:
            form.add_error("name", error.messages)
        else:
            messages.success(request, _("The view “%(name)s” is saved.") % {"name": view.name})
            return redirect(page.address.url())
    return show_list(request, page, view_form=form, status=422)


@team_view
@require_POST
def view_delete(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    view = get_object_or_404(SavedView, team=scope.team, user=scope.user, pk=pk)
    delete_view(view)
    messages.success(request, _("The view “%(name)s” is deleted.") % {"name": view.name})
    return redirect("risks:risk-list", scope.team.slug)


# --- exports


@dated_view
@require_safe
@hands_out
def risk_export(request: HttpRequest, scope: Scope, format: str) -> HttpResponseBase:  # noqa: A002
    """Exactly the filtered rows, in their order, with every column; of a past day as they were then."""
    write = EXPORTS.get(format)
    if write is None:
        raise Http404
    page = read_list(request, scope)
    if page.problems:
        raise Invalid(" ".join(labelled(*problem) for problem in page.problems))
    if format == "xlsx" and page.table.total > MAX_ROWS:
        raise Invalid(
            _("An Excel file takes at most %(count)d risks. Narrow the list, or take CSV.")
            % {"count": MAX_ROWS}
        )
    source = scope.register.key if scope.register else scope.team.slug
    name = f"{source}-{'as-of-' if scope.as_of else ''}{scope.today:%Y-%m-%d}.{format}"
    asked = {"query": page.address.query, "rows": page.table.total}
    record_export(scope.register or scope.team, name, by=scope.actor, asked=asked)
    sheet = risk_sheet(
        page.table.data.data,
        registers=scope.shown_registers,
        taxonomy=page.options.taxonomy,
        today=scope.today,
        until=scope.until,
    )
    return write(sheet, name)

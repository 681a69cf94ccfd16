"""One risk: its page, logging and editing it, moving it between states, its indicators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from risks import rules
from risks.charts import draw_positions, draw_steps
from risks.enums import BadWhen, Kind, State, Strategy
from risks.exceptions import Invalid
from risks.formatting import day, labelled, level_badge, loss
from risks.forms.intake import Draft, Intake, Suggestion, new_risk_draft, refill, typed_rows
from risks.forms.risk import IndicatorForm, MoveForm, RiskUpdateForm, add_errors
from risks.forms.scoring import KIND_INITIALS
from risks.htmx import render_page, requested_partial
from risks.models import Assessment, Indicator, Register, Risk
from risks.models.translated import Text, record_language
from risks.queries.activity import known_texts, people_in
from risks.queries.as_of import comments_at
from risks.queries.changes import window_start
from risks.queries.discussion import Discussion, Links, read_discussion, read_links
from risks.queries.matrix import LoadedMatrix
from risks.queries.risk import (
    Activity,
    categories_for,
    find_template,
    load_people,
    net_movement,
    offered_templates,
    read_activity,
    read_assessments,
    read_mitigations,
    running_acceptance,
    similar_risks,
    suggest_templates,
)
from risks.rules import Move
from risks.services.intake import log_risk
from risks.services.mitigation import add_indicator, delete_indicator, update_indicator
from risks.services.risk import delete_risk, move_risk, update_risk
from risks.views.access import Scope, dated_view, get_risk_or_404, team_view
from risks.views.activity import describe_risk
from risks.views.attachment import files_in_page
from risks.views.dialog import render_act
from risks.views.discussion import codes_in_statement, show_discussion, show_following
from risks.views.merge import save_merged

MOVEMENT = timedelta(days=30)
LAST_REGISTER = "last_register"


# --- the page


@require_safe
@dated_view
def risk_detail(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    """Everything about one risk, today or at the end of a past day."""
    risk = get_risk_or_404(scope, code, following=True)
    matrix = scope.matrix_of(risk.register_id)
    partials = {"risk-page": "risks/risk/_detail.html", "activity": "risks/risk/_activity.html"}
    activity = read_activity(risk, _page(request), scope.until)
    context: dict[str, Any] = {"risk": risk, "activity": activity}
    if requested_partial(request, partials) != partials["activity"]:
        context |= _detail(scope, risk, matrix, activity)
    context["lines"] = describe_risk(scope, risk, activity.events, context)
    return render_page(request, "risks/risk/detail.html", context, partials=partials)


def _page(request: HttpRequest) -> int:
    page = request.GET.get("page", "1")
    if not (page.isascii() and page.isdigit() and int(page[:6]) > 0 and len(page) < 6):
        raise Http404
    return int(page)


@dataclass(frozen=True)
class Standing:
    """Where the risk is, of one kind; `url` scores it anew."""

    kind: Kind
    initial: str
    level: Any
    score: int | None
    words: str
    url: str


@dataclass(frozen=True)
class Step:
    """A move of the transition table as a button: `why` says why it cannot be pressed."""

    move: Move
    url: str
    why: str


def _detail(scope: Scope, risk: Risk, matrix: LoadedMatrix, activity: Activity) -> dict[str, Any]:
    until = scope.until
    now = until or timezone.now()
    assessments = read_assessments(risk, until)
    positions = {kind: risk.position(kind) for kind in Kind}
    mitigations = read_mitigations(risk, until)
    indicators = [] if until else list(risk.indicators.order_by("position", "id"))  # they have no history
    acceptance = running_acceptance(risk, until) if risk.state == State.ACCEPTED else None
    talk = Discussion(comments_at(risk, until)) if until else read_discussion(risk)
    links = Links() if until else read_links(risk, talk.comments)
    people = load_people(
        ([risk], "owner"), ([risk], "created_by"), (assessments, "assessed_by"),
        (mitigations, "owner"), ([acceptance] if acceptance else [], "approver"),
        (talk.comments, "author"), also={*talk.mentioned, *people_in(activity.events)}, team_id=scope.team.pk,
    )  # fmt: skip
    movement = net_movement(assessments, window_start(scope.as_of) if scope.as_of else now - MOVEMENT)
    return {
        "matrix": matrix,
        "standings": [_standing(scope, risk, matrix, kind) for kind in Kind],
        "positions": draw_positions(matrix, positions, {k: str(v) for k, v in KIND_INITIALS.items()}),
        "steps_chart": draw_steps(matrix, assessments, now - datetime.resolution if until else now),
        "history": [_scoring(each, matrix) for each in reversed(assessments)],
        "scored": any(positions.values()),
        "movement": (movement > 0) - (movement < 0),
        "mitigations": mitigations,
        "indicators": [_watched(scope, risk, each) for each in indicators],
        "texts": known_texts(assessments, mitigations, indicators),
        "known_people": people,
        "indicator_rows": indicators,
        "acceptance": acceptance,
        "moves": [_step(scope, risk, move) for move in rules.moves_from(risk.state)],
        "state": State(risk.state).label,
        "strategy": Strategy(risk.strategy).label if risk.strategy else "",
        "loss": loss(risk.expected_loss, risk.register.budget_amount, risk.register.currency),
        "why_not_edit": rules.reason_against(rules.check_can_edit_risk, scope.actor, risk),
        "named_risks": codes_in_statement(scope, risk),
        "following": None if until else show_following(scope, risk),
        **show_discussion(scope, risk, talk, links, people),
        **files_in_page(scope, risk),
    }


def _words(matrix: LoadedMatrix, place: tuple[int, int] | None) -> str:
    if place is None:
        return ""
    if place not in matrix.grid.cells:
        return f"{place[0]} × {place[1]}"
    return f"{matrix.probabilities[place[0] - 1].name} × {matrix.impacts[place[1] - 1].name}"


def _standing(scope: Scope, risk: Risk, matrix: LoadedMatrix, kind: Kind) -> Standing:
    url = reverse("risks:risk-assess", args=[scope.team.slug, risk.code])
    return Standing(
        kind,
        str(KIND_INITIALS[kind]),
        matrix.levels.get(getattr(risk, f"{kind}_level")),
        getattr(risk, f"{kind}_score"),
        _words(matrix, risk.position(kind)),
        f"{url}?kind={kind}",
    )


@dataclass(frozen=True)
class Scoring:
    """An assessment of the history as a row of its table."""

    assessment: Assessment
    level: Any
    words: str

    @property
    def html(self) -> SafeString:
        act = self.assessment
        badge = level_badge(self.level, act.score) if self.level else act.score
        return mark_safe(  # noqa: S308  # nosec B308 B703 - what people typed is escaped
            f"<tr><td>{day(act.assessed_at)}</td><td>{Kind(act.kind).label}</td><td>{badge}</td>"
            f"<td>{escape(self.words)}</td><td>{escape(act.assessed_by or '')}</td>"
            f'<td dir="auto">{escape(act.reason)}</td></tr>'
        )


def _scoring(assessment: Assessment, matrix: LoadedMatrix) -> Scoring:
    place = (assessment.probability, assessment.impact)
    words = _words(matrix, place) if assessment.matrix_id == matrix.id else f"{place[0]} × {place[1]}"
    return Scoring(assessment, matrix.levels.get(assessment.level), words)


@dataclass(frozen=True)
class Watched:
    """An indicator with its numbers as they are written; `url` changes it."""

    indicator: Indicator
    url: str
    direction: str
    amber: str
    red: str


def _watched(scope: Scope, risk: Risk, indicator: Indicator) -> Watched:
    url = reverse("risks:indicator-update", args=[scope.team.slug, risk.code, indicator.pk])
    numbers = (f"{value:.10g} {indicator.unit}".strip() for value in (indicator.amber, indicator.red))
    return Watched(indicator, url, str(BadWhen(indicator.bad_when).label), *numbers)


def _step(scope: Scope, risk: Risk, move: Move) -> Step:
    url = reverse("risks:risk-move", args=[scope.team.slug, risk.code, move.name])
    return Step(move, url, rules.reason_against(rules.check_can_move_risk, scope.actor, risk, move))


def _changed(request: HttpRequest, scope: Scope, risk: Risk) -> HttpResponse:
    """To htmx the event `risk-changed`, on which the page renews itself; else back to the risk."""
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(headers={"HX-Trigger": json.dumps({"risk-changed": {"code": risk.code}})})
    return redirect("risks:risk-detail", scope.team.slug, risk.code)


# --- a new risk

REFILL = frozenset({"find", "template_choice", "another_register"})
"""Buttons of the new risk's form that show it again, filled differently, instead of saving."""


@team_view
def risk_create(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Log a risk in one screen."""
    rules.check_can_propose_risk(scope.actor, scope.register)
    if not scope.registers:
        return render_page(request, "risks/risk/no_register.html")
    register = _chosen_register(request, scope)
    if _asks_only_for_suggestions(request):
        return _suggestions(request, scope, register)
    if request.method == "POST" and REFILL.isdisjoint(request.POST):
        return _log(request, scope, register)
    return _show_intake(request, scope, register, _filled_intake(request, scope, register))


def _chosen_register(request: HttpRequest, scope: Scope) -> Register:
    """The one chosen in the form, else the address's, else the one last used, else the first."""
    key = request.POST.get("register", "") or request.GET.get("register", "")
    key = key or request.session.get(LAST_REGISTER, "")
    return next((each for each in scope.registers if each.key == key), scope.registers[0])


def _asks_only_for_suggestions(request: HttpRequest) -> bool:
    htmx = getattr(request, "htmx", None)
    return bool(htmx and htmx.target == "suggestions")


def _suggestions(request: HttpRequest, scope: Scope, register: Register) -> HttpResponse:
    title = request.GET.get(f"title_{record_language()}", "")[:200]
    context = _suggested(scope, title) | {"register": register}
    return render_page(
        request, "risks/risk/new.html", context, partials={"suggestions": "risks/risk/_suggestions.html"}
    )


def _suggested(scope: Scope, title: str) -> dict[str, Any]:
    return {
        "title": title,
        "suggested": suggest_templates(offered_templates(scope.team), title),
        "similar": [(risk, _residual(scope, risk)) for risk in similar_risks(scope.team, title)],
    }


def _residual(scope: Scope, risk: Risk) -> Any:
    return scope.matrix_of(risk.register_id).levels.get(risk.residual_level or 0)


def _intake(
    scope: Scope, register: Register, data: Any, *, suggestion: Suggestion, initial: Draft, rows: Any = None
) -> Intake:
    return Intake(
        data, suggestion=suggestion, initial=initial, rows=rows, team=scope.team, register=register,
        registers=scope.registers, matrix=scope.matrix_of(register.pk), categories=categories_for(scope.team),
    )  # fmt: skip


def _filled_intake(request: HttpRequest, scope: Scope, register: Register) -> Intake:
    """The form as it is first shown, or shown again with what was typed and another template or register."""
    matrix = scope.matrix_of(register.pk)
    if request.method != "POST":
        suggestion = Suggestion(find_template(scope.team, request.GET.get("template", "")), matrix)
        typed = {f"title_{record_language()}": request.GET.get("title", "")[:200]}
        initial = refill(new_risk_draft(scope.user) | typed, {}, suggestion.fields)
        initial["template"] = _template_id(suggestion)
        intake = _intake(scope, register, None, suggestion=suggestion, initial=initial)
        intake.form.title.field.widget.attrs["autofocus"] = True
        return intake
    before = Suggestion(find_template(scope.team, request.POST.get("template", "")), matrix)
    chosen = request.POST.get("template_choice", "")
    suggestion = Suggestion(find_template(scope.team, chosen), matrix) if chosen else before
    posted = _intake(scope, register, request.POST, suggestion=before, initial={})
    typed = {name: str(posted.form[name].data or "") for name in posted.form.fields}
    title = f"title_{record_language()}"
    if chosen and suggestion.is_sought_by(typed[title]):
        typed[title] = ""
    if typed["matrix"] != str(matrix.id):
        typed |= {kind.value: "" for kind in Kind}
    initial = refill(typed, before.fields, suggestion.fields)
    initial |= {"template": _template_id(suggestion), "register": register.key, "matrix": str(matrix.id)}
    rows = (
        suggestion.mitigations + typed_rows(posted.mitigations, before.mitigations),
        suggestion.indicators + typed_rows(posted.indicators, before.indicators),
    )
    return _intake(scope, register, None, suggestion=suggestion, initial=initial, rows=rows)


def _template_id(suggestion: Suggestion) -> str:
    return str(suggestion.template.pk) if suggestion.template else ""


def _show_intake(
    request: HttpRequest, scope: Scope, register: Register, intake: Intake, status: int = 200
) -> HttpResponse:
    title = str(intake.form[f"title_{record_language()}"].value() or "")[:200]
    context = _suggested(scope, title) | {
        "intake": intake,
        "form": intake.form,
        "register": register,
        "template": intake.suggestion.template,
        "refilled": "template_choice" in request.POST,
    }
    partials = {"intake": "risks/risk/_intake.html"}
    return render_page(request, "risks/risk/new.html", context, partials=partials, status=status)


def _log(request: HttpRequest, scope: Scope, register: Register) -> HttpResponse:
    template = find_template(scope.team, request.POST.get("template", ""))
    suggestion = Suggestion(template, scope.matrix_of(register.pk))
    intake = _intake(scope, register, request.POST, suggestion=suggestion, initial={})
    if not intake.is_valid():
        return _show_intake(request, scope, register, intake, status=422)
    try:
        risk = log_risk(
            register,
            intake.values(),
            by=scope.actor,
            positions=intake.form.positions(),
            reason=Text.of(intake.form.cleaned_data["reason"]),
            mitigations=intake.mitigation_values(),
            indicators=intake.indicator_values(),
        )
    except Invalid as error:
        intake.form.add_error(error.field, str(error.message))
    except ValidationError as error:
        add_errors(intake.form, error)
    else:
        request.session[LAST_REGISTER] = register.key
        messages.success(request, _logged(risk))
        return redirect("risks:risk-detail", scope.team.slug, risk.code)
    return _show_intake(request, scope, register, intake, status=422)


def _logged(risk: Risk) -> str:
    if risk.state == State.DRAFT:
        return _("%(code)s is kept as a draft; a manager confirms it.") % {"code": risk.code}
    return _("%(code)s is logged.") % {"code": risk.code}


# --- editing


@team_view
def risk_update(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    """Edit all fields. Where somebody else has saved meanwhile, both changes are merged."""
    risk = get_risk_or_404(scope, code)
    rules.check_can_edit_risk(scope.actor, risk)

    def form_of(now: Risk, data: Any) -> RiskUpdateForm:
        categories = categories_for(scope.team, now)
        return RiskUpdateForm(data, instance=now, team=scope.team, categories=categories)

    def save(form: RiskUpdateForm) -> None:
        update_risk(risk, form.mine(form.values()), by=scope.actor)

    status, form = 200, form_of(risk, None)
    if request.method == "POST":
        status, form = save_merged(request, risk, form_of=form_of, save=save)
        if status == 200:
            messages.success(request, _("Saved."))
            return redirect("risks:risk-detail", scope.team.slug, risk.code)
    return render_page(request, "risks/risk/edit.html", {"form": form, "risk": risk}, status=status)


# --- moves, deleting


@team_view
def risk_move(request: HttpRequest, scope: Scope, code: str, move: str) -> HttpResponse:
    """Make one of the moves, with what it demands."""
    risk = get_risk_or_404(scope, code)
    step = rules.MOVES_BY_NAME.get(move)
    if step is None:
        raise Http404
    rules.check_can_move_risk(scope.actor, risk, step)
    posted = request.POST if request.method == "POST" else None
    form = MoveForm(posted, move=step, team=scope.team, today=timezone.localdate())
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        try:
            moved = move_risk(
                risk, step, by=scope.actor, reason=Text.of(data["reason"]),
                approver=data.get("approver"), until=data.get("until"),
            )  # fmt: skip
        except Invalid as error:
            form.add_error(error.field if error.field in form.fields else None, str(error.message))
        else:
            state = {"code": risk.code, "state": moved.get_state_display()}
            messages.success(request, _("%(code)s: %(state)s.") % state)
            return _changed(request, scope, risk)
    heading = labelled(step.label, risk.code)
    context = {"form": form, "risk": risk, "move": step}
    return render_act(request, "risks/risk/move.html", heading, context, status=422 if form.errors else 200)


@team_view
def risk_delete(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    """Delete a draft, after saying what goes with it."""
    risk = get_risk_or_404(scope, code)
    rules.check_can_delete_risk(scope.actor, risk)
    if request.method == "POST":
        delete_risk(risk, by=scope.actor)
        messages.success(request, _("The draft %(code)s is deleted.") % {"code": risk.code})
        return redirect("risks:risk-list", scope.team.slug)
    context = {
        "risk": risk,
        "mitigation_count": risk.mitigations.count(),
        "indicator_count": risk.indicators.count(),
        "assessment_count": risk.assessments.count(),
    }
    heading = _("Delete the draft %(code)s?") % {"code": risk.code}
    return render_act(request, "risks/risk/delete.html", heading, context)


# --- indicators


@team_view
def indicator_create(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    risk = get_risk_or_404(scope, code)
    return _edit_indicator(request, scope, Indicator(risk=risk))


@team_view
def indicator_update(request: HttpRequest, scope: Scope, code: str, pk: int) -> HttpResponse:
    return _edit_indicator(request, scope, _get_indicator_or_404(scope, code, pk))


def _get_indicator_or_404(scope: Scope, code: str, pk: int) -> Indicator:
    risk = get_risk_or_404(scope, code)
    indicator = Indicator.objects.filter(risk=risk, pk=pk).first()
    if indicator is None:
        raise Http404
    indicator.risk = risk
    return indicator


def _edit_indicator(request: HttpRequest, scope: Scope, indicator: Indicator) -> HttpResponse:
    rules.check_can_edit_risk(scope.actor, indicator.risk)
    status, form = 200, _indicator_form(indicator, None)
    if request.method == "POST":
        status, form = _save_indicator(request, scope, indicator)
        if status == 200:
            messages.success(request, _("Saved."))
            return _changed(request, scope, indicator.risk)
    heading = _("Change the indicator") if indicator.pk else _("New indicator")
    context = {"form": form, "risk": indicator.risk, "indicator": indicator}
    return render_act(request, "risks/risk/indicator.html", heading, context, status=status)


def _indicator_form(indicator: Indicator, data: Any) -> IndicatorForm:
    return IndicatorForm(data, instance=indicator)


def _save_indicator(request: HttpRequest, scope: Scope, indicator: Indicator) -> tuple[int, IndicatorForm]:
    """Status 200 when it is written."""
    if indicator.pk:
        return save_merged(
            request, indicator, form_of=_indicator_form,
            save=lambda form: update_indicator(indicator, form.mine(form.cleaned_data), by=scope.actor),
        )  # fmt: skip
    form = _indicator_form(indicator, request.POST)
    if form.is_valid():
        try:
            add_indicator(form.instance, by=scope.actor)
        except ValidationError as error:
            add_errors(form, error)
    return 422 if form.errors else 200, form


@team_view
def indicator_delete(request: HttpRequest, scope: Scope, code: str, pk: int) -> HttpResponse:
    indicator = _get_indicator_or_404(scope, code, pk)
    rules.check_can_edit_risk(scope.actor, indicator.risk)
    if request.method == "POST":
        delete_indicator(indicator, by=scope.actor)
        messages.success(request, _("The indicator is deleted."))
        return _changed(request, scope, indicator.risk)
    context = {"risk": indicator.risk, "indicator": indicator}
    return render_act(request, "risks/risk/indicator_delete.html", _("Delete this indicator?"), context)

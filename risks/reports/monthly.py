"""The monthly report of a register: everything it prints, as frozen values in the report's language.

Positions and states are those at the end of the month, or of now while it runs, read from the history.
Texts, owners, dates, ranges and mitigations are those of the day of printing, because older versions of them
are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from risks import formatting
from risks.enums import Kind, Level, MitigationState, State, Strategy
from risks.exceptions import Invalid
from risks.models import Acceptance, Mitigation, Register, Risk, User
from risks.models.mitigation import MitigationQuerySet
from risks.models.translated import record_language
from risks.queries.matrix import LoadedMatrix, load_matrix
from risks.queries.movement import (
    Change,
    History,
    Movement,
    Position,
    Standing,
    What,
    month_before,
    month_end,
    month_of,
    month_start,
    read_history,
    read_movement,
)
from risks.reports.charts import Column, Mark, Picture, draw_matrix, draw_trend
from risks.reports.pdf import write_pdf

TOP_RISKS = 10
TREND_MONTHS = 12
LONG_STATEMENT = 1_500  # characters
ACCEPTANCES_WITHIN = timedelta(days=60)
_TEMPLATE = "risks/reports/monthly.html"


class TooManyRisks(Invalid):
    """More risks than a report holds that is made while its reader waits."""


# --- what is printed


@dataclass(frozen=True)
class Rating:
    """A position as a level: mark, score and word, with the words of its two axes."""

    mark: str
    score: int
    name: str
    tone: str
    place: str

    def __str__(self) -> str:
        return f"{self.mark} {self.score} {self.name}"


@dataclass(frozen=True)
class Figure:
    """One of the key figures: the number, what it counts, and what puts it in proportion."""

    value: str
    label: str
    note: str


@dataclass(frozen=True)
class LevelCount:
    mark: str
    name: str
    tone: str
    count: int


@dataclass(frozen=True)
class ChangeRow:
    code: str
    title: str
    before: Rating | None
    after: Rating | None
    reason: str
    who: str
    day: str


@dataclass(frozen=True)
class ChangeGroup:
    title: str
    rows: tuple[ChangeRow, ...]


@dataclass(frozen=True)
class MitigationRow:
    code: str
    title: str
    trigger: str
    kind: str
    owner: str
    due: str
    late: bool
    state: str


@dataclass(frozen=True)
class RiskRow:
    """One risk as the full register lists it."""

    code: str
    title: str
    category: str
    owner: str
    inherent: Rating | None
    residual: Rating | None
    target: Rating | None
    moved: str  # ↑, ↓ or → against the month before
    strategy: str
    state: str
    next_review: str

    @property
    def ratings(self) -> tuple[Rating | None, ...]:
        return self.inherent, self.residual, self.target


@dataclass(frozen=True)
class TopRisk:
    """One risk in full."""

    row: RiskRow
    statement: tuple[tuple[str, str], ...]  # cause, event, consequence: label and text
    loss: str
    mitigations: tuple[MitigationRow, ...]

    @property
    def is_long(self) -> bool:
        """Whether it may fill more than half a page, and so has to break across pages."""
        return (
            sum(len(text) for _label, text in self.statement) > LONG_STATEMENT or len(self.mitigations) > 12
        )


@dataclass(frozen=True)
class ReviewRow:
    code: str
    title: str
    owner: str
    due: str
    residual: Rating | None


@dataclass(frozen=True)
class AcceptanceRow:
    code: str
    title: str
    approver: str
    reason: str
    until: str
    residual: Rating | None


@dataclass(frozen=True)
class StepRow:
    index: int
    name: str
    hint: str
    range: str


@dataclass(frozen=True)
class LevelRow:
    mark: str
    name: str
    tone: str
    scores: str
    response: str


@dataclass(frozen=True)
class Scales:
    """The matrix with its words and ranges."""

    name: str
    description: str
    probabilities: tuple[StepRow, ...]
    impacts: tuple[StepRow, ...]
    levels: tuple[LevelRow, ...]
    grid: tuple[tuple[str, tuple[Rating, ...]], ...]


@dataclass(frozen=True)
class Report:
    """All that the template prints; texts are translated, numbers written out."""

    language: str
    title: str
    team: str
    register_key: str
    register: str
    about: str
    period: str
    period_before: str
    when: str  # at the end of October 2026; on 20 Oct 2026 while the month runs
    language_name: str
    prepared_by: str
    printed_at: str
    printed_on: str
    version: str
    figures: tuple[Figure, ...]
    levels: tuple[LevelCount, ...]
    sentences: tuple[str, ...]
    matrix: Picture
    trend: Picture
    trend_title: str
    changes: tuple[ChangeGroup, ...]
    balance: str
    top: tuple[TopRisk, ...]
    late_mitigations: tuple[MitigationRow, ...]
    late_reviews: tuple[ReviewRow, ...]
    acceptances: tuple[AcceptanceRow, ...]
    rows: tuple[RiskRow, ...]
    closed_count: int
    drafts: int
    scales: Scales
    budget: str


# --- making it


def make_report(register: Register, month: date, language: str, *, prepared_by: User, now: datetime) -> bytes:
    """The PDF. Raises TooManyRisks, or PdfUnavailable where the server cannot print."""
    return write_pdf(render_report(build_report(register, month, language, prepared_by=prepared_by, now=now)))


def render_report(report: Report, template: str = _TEMPLATE) -> str:
    with translation.override(report.language):
        return render_to_string(template, {"report": report})


def build_report(
    register: Register, month: date, language: str, *, prepared_by: User, now: datetime
) -> Report:
    """Read the register and write out its report; the number of queries does not grow with rows."""
    _check_size(register, month)
    end = month_end(month)
    history = read_history(register, end)
    movement = read_movement(register, history, month_start(month), end)
    with translation.override(language):
        return _Builder(register, month, history, movement, now).build(language, prepared_by)


def _check_size(register: Register, month: date) -> None:
    """Refuse before anything large is read; printed is what counts, or was moved since the month began."""
    printed = (
        Risk.objects.filter(register=register, logged_at__lt=month_end(month))
        .exclude(state=State.DRAFT)
        .filter(Q(active=True) | Q(state_changes__moved_at__gte=month_start(month)))
    )
    count = printed.distinct().count()
    if count > settings.REPORT_MAX_RISKS:
        raise TooManyRisks(
            _(
                "This register has %(count)d risks to print; a report holds at most %(limit)d. "
                "Take the register as XLSX instead."
            )
            % {"count": count, "limit": settings.REPORT_MAX_RISKS},
            field="register",
        )


def _said(record: Any, name: str) -> str:
    """A text of a record, marked with its language where it had to fall back to the other one."""
    preferred = record_language()
    text: str = getattr(record, name)
    if not text or getattr(record, f"{name}_{preferred}"):
        return text
    return format_html('<span lang="{}">{}</span>', "en" if preferred == "zh" else "zh-Hans", text)


def _signed(change: int) -> str:
    return f"+{change}" if change > 0 else f"\N{MINUS SIGN}{-change}" if change else "±0"


class _Builder:
    """Holds what the parts of one report share while they are written out."""

    def __init__(
        self, register: Register, month: date, history: History, movement: Movement, now: datetime
    ) -> None:
        self.register, self.month, self.now = register, month, now
        self.history, self.movement = history, movement
        self.today = timezone.localdate(now, timezone.get_default_timezone())
        self.matrix: LoadedMatrix = load_matrix(register.matrix)
        self.standing: Standing = movement.after
        self.money = partial(formatting.money, currency=register.currency)
        closed = {change.risk_id for change in movement.of(What.CLOSED)}
        risks = Risk.objects.filter(register=register, pk__in=self.standing.active | closed)
        self.risks = {
            risk.pk: risk for risk in risks.select_related("owner", "category", "subcategory").order_by("pk")
        }
        self.active = sorted((pk for pk in self.risks if pk in self.standing.active), key=self._worst_first)
        self.closed = sorted((pk for pk in self.risks if pk in closed), key=self._worst_first)
        self.moved = {change.risk_id: change.what for change in movement.changes if change.what in _ARROWS}

    def _worst_first(self, risk_id: int) -> tuple[int, int]:
        """As `RiskQuerySet.worst_first` orders, by the positions of the month's end."""
        position = self.standing.position(risk_id)
        return -(position.rank if position else 0), -risk_id

    @property
    def running(self) -> bool:
        return self.month == month_of(self.today)

    @property
    def when(self) -> str:
        """The moment the positions are of, as a part of a sentence."""
        if self.running:
            return _("on %(day)s") % {"day": formatting.day(self.today)}
        return _("at the end of %(month)s") % {"month": formatting.month(self.month)}

    def build(self, language: str, prepared_by: User) -> Report:
        register, period = self.register, formatting.month(self.month)
        mitigations = Mitigation.objects.filter(register=register)
        late_mitigations = self._late_mitigations(mitigations)
        late_reviews = self._late_reviews()
        acceptances = self._acceptances()
        return Report(
            language=language,
            title=_("Risk report %(period)s: %(register)s") % {"period": period, "register": register.name},
            team=_said(register.team, "name"),
            register_key=register.key,
            register=_said(register, "name"),
            about=_said(register, "description"),
            period=period,
            period_before=formatting.month(month_before(self.month)),
            when=self.when,
            language_name=dict(settings.LANGUAGES)[language],
            prepared_by=str(prepared_by),
            printed_at=formatting.moment(self.now),
            printed_on=formatting.day(self.now),
            version=settings.REPORT_VERSION,
            figures=self._figures(len(late_mitigations), len(late_reviews)),
            levels=self._level_counts(),
            sentences=self._sentences(len(late_mitigations), len(late_reviews), len(acceptances)),
            matrix=self._matrix_picture(),
            trend=self._trend_picture(),
            trend_title=self._trend_title,
            changes=tuple(self._change_groups()),
            balance=self._balance(),
            top=self._top(mitigations),
            late_mitigations=late_mitigations,
            late_reviews=late_reviews,
            acceptances=acceptances,
            rows=tuple(self._row(pk) for pk in [*self.active, *self.closed]),
            closed_count=len(self.closed),
            drafts=sum(1 for state in self.standing.states.values() if state == State.DRAFT),
            scales=self._scales(),
            budget=self.money(register.budget_amount),
        )

    # --- figures

    @property
    def _severe_levels(self) -> str:
        """The words of the levels from high upwards."""
        names = [level.name for level in reversed(self.matrix.worst_first) if level.level >= Level.HIGH]
        return pgettext("between two levels", " or ").join(names)

    @property
    def _loss_share(self) -> float:
        return sum(self.risks[pk].expected_loss for pk in self.active)

    def _loss(self, share: float) -> str:
        return formatting.loss(share, self.register.budget_amount, self.register.currency)

    def _figures(self, late_mitigations: int, late_reviews: int) -> tuple[Figure, ...]:
        before, after = self.movement.before, self.standing
        pending = _("as of %(day)s") % {"day": formatting.day(self.today)}
        loss, share = self._loss(self._loss_share), formatting.share(self._loss_share)
        budget = _("%(share)s of the yearly budget; %(estimated)d of %(active)d risks estimated") % {
            "share": share,
            "estimated": sum(1 for pk in self.active if self.risks[pk].expected_loss),
            "active": len(self.active),
        }
        return (
            self._compared(_("Active risks"), len(after.active), len(before.active)),
            self._compared(
                _("%(level)s and above") % {"level": self._high_word}, _severe(after), _severe(before)
            ),
            Figure(str(late_mitigations), _("Late mitigations"), pending),
            Figure(str(late_reviews), _("Overdue reviews"), pending),
            Figure(loss or "–", _("Expected yearly loss"), budget if loss else _("no ranges given")),
        )

    @property
    def _high_word(self) -> str:
        high = self.matrix.levels.get(Level.HIGH)
        return high.name if high else str(Level.HIGH.label)

    def _compared(self, label: str, now: int, then: int) -> Figure:
        """A figure with its change against the month before."""
        month = formatting.month(month_before(self.month))
        note = _("%(change)s since %(month)s") % {"change": _signed(now - then), "month": month}
        return Figure(str(now), label, note)

    def _level_counts(self) -> tuple[LevelCount, ...]:
        counts = self.standing.levels()
        found = [
            LevelCount(level.mark, level.name, level.tone, counts[level.level])
            for level in self.matrix.worst_first
        ]
        if counts[0]:
            found.append(LevelCount("–", _("Not assessed"), "none", counts[0]))
        return tuple(found)

    def _sentences(self, mitigations: int, reviews: int, acceptances: int) -> tuple[str, str, str]:
        count = self.movement.count
        severe = _severe(self.standing)
        first = _("%(when)s the register holds %(active)s; %(severe)s at level %(levels)s, %(change)s.")
        second = _(
            "During %(month)s it gained %(new)s, reopened %(reopened)s and closed %(closed)s; "
            "%(up)s moved up and %(down)s moved down."
        )
        third = _("On %(day)s it has %(mitigations)s, %(reviews)s and %(acceptances)s ending within 60 days.")
        return (
            first
            % {
                "when": capfirst(self.when),
                "active": ngettext("%d active risk", "%d active risks", len(self.active)) % len(self.active),
                "severe": ngettext("%d of them is", "%d of them are", severe) % severe,
                "levels": self._severe_levels,
                "change": _in_words(severe - _severe(self.movement.before)),
            },
            second
            % {
                "month": formatting.month(self.month),
                "new": _risks(count(What.NEW)),
                "reopened": _risks(count(What.REOPENED)),
                "closed": _risks(count(What.CLOSED)),
                "up": _risks(count(What.UP)),
                "down": _risks(count(What.DOWN)),
            },
            third
            % {
                "day": formatting.day(self.today),
                "mitigations": ngettext("%d late mitigation", "%d late mitigations", mitigations)
                % mitigations,
                "reviews": ngettext("%d overdue review", "%d overdue reviews", reviews) % reviews,
                "acceptances": ngettext("%d acceptance", "%d acceptances", acceptances) % acceptances,
            },
        )

    def _balance(self) -> str:
        """How the number of active risks came about."""
        count = self.movement.count
        sum_in_words = _(
            "%(before)d active at the start + %(new)d new + %(reopened)d reopened "
            "− %(closed)d closed = %(after)d active %(when)s"
        )
        return sum_in_words % {
            "before": len(self.movement.before.active),
            "new": count(What.NEW),
            "reopened": count(What.REOPENED),
            "closed": count(What.CLOSED),
            "after": len(self.standing.active),
            "when": self.when,
        }

    # --- pictures

    def _matrix_picture(self) -> Picture:
        cells: dict[tuple[int, int], list[Mark]] = {}
        for pk in self.active:
            position = self.standing.position(pk)
            if position:
                arrow = _ARROWS[self.moved[pk]] if pk in self.moved else ""
                cells.setdefault(position.cell, []).append(Mark(self.risks[pk].code, arrow))
        ways = [
            (change.before.cell, change.after.cell)
            for change in self.movement.changes
            if change.what in _ARROWS and change.before and change.after
        ]
        words = _listed((self._place(*cell), [mark.text for mark in marks]) for cell, marks in cells.items())
        alt = _("Risk matrix %(when)s. %(cells)s")
        names = {"when": self.when, "cells": words}
        return draw_matrix(self.matrix, cells, ways, (_("Probability ↑"), _("Impact →")), alt % names)

    def _trend_picture(self) -> Picture:
        months = [self.month]
        first = min((at for at, _risk, _state in self.history.moves), default=self.now)
        while len(months) < TREND_MONTHS and months[-1] > month_of(
            timezone.localdate(first, timezone.get_default_timezone())
        ):
            months.append(month_before(months[-1]))
        form = pgettext("format of a month below a chart", "M y")
        columns = [
            Column(date_format(month, form), self.history.at(month_end(month)).levels())
            for month in reversed(months)
        ]
        unassessed = _("Not assessed")
        names = [(level.level, level.name) for level in self.matrix.worst_first] + [(0, unassessed)]
        words = _listed(
            (column.label, [f"{name} {column.levels.get(level, 0)}" for level, name in names])
            for column in columns
        )
        alt = _("%(title)s. %(words)s") % {"title": self._trend_title, "words": words}
        return draw_trend(self.matrix, columns, unassessed, alt)

    @property
    def _trend_title(self) -> str:
        if self.running:
            return _("Active risks by level at each month's end and %(when)s") % {"when": self.when}
        return _("Active risks by level at each month's end")

    # --- rows

    def _rating(self, position: Position | None) -> Rating | None:
        if position is None or position.level not in self.matrix.levels:
            return None
        level = self.matrix.level(position.level)
        place = self._place(*position.cell) if position.cell in self.matrix.grid.cells else ""
        return Rating(level.mark, position.score, level.name, level.tone, place)

    def _place(self, probability: int, impact: int) -> str:
        return f"{self.matrix.probabilities[probability - 1].name} × {self.matrix.impacts[impact - 1].name}"

    def _rated(self, risk_id: int, kind: Kind = Kind.RESIDUAL) -> Rating | None:
        return self._rating(self.standing.position(risk_id, kind))

    def _row(self, pk: int) -> RiskRow:
        risk = self.risks[pk]
        category = risk.subcategory or risk.category
        return RiskRow(
            code=risk.code,
            title=_said(risk, "title"),
            category=_said(category, "name") if category else "",
            owner=str(risk.owner or ""),
            inherent=self._rated(pk, Kind.INHERENT),
            residual=self._rated(pk),
            target=self._rated(pk, Kind.TARGET),
            moved=_ARROWS[self.moved[pk]] if pk in self.moved else "",
            strategy=str(Strategy(risk.strategy).label) if risk.strategy else "",
            state=str(State(self.standing.states[pk]).label),
            next_review=formatting.day(risk.next_review_date),
        )

    def _change_groups(self) -> Iterable[ChangeGroup]:
        for what, title in _CHANGES.items():
            changes = sorted(self.movement.of(what), key=lambda change: self._worst_first(change.risk_id))
            if changes:
                yield ChangeGroup(str(title), tuple(self._change_row(change) for change in changes))

    def _change_row(self, change: Change) -> ChangeRow:
        risk, move, scoring = self.risks[change.risk_id], change.move, change.scoring
        reason = (move and _said(move, "reason")) or (scoring and _said(scoring, "reason"))
        person = move.moved_by if move else scoring.assessed_by if scoring else None
        at = move.moved_at if move else scoring.assessed_at if scoring else None
        return ChangeRow(
            code=risk.code,
            title=_said(risk, "title"),
            before=self._rating(change.before),
            after=self._rating(change.after),
            reason=reason
            or (pgettext("change", "Logged") if change.what == What.NEW else _("No reason given")),
            who=str(person or ""),
            day=formatting.day(at),
        )

    def _top(self, mitigations: MitigationQuerySet) -> tuple[TopRisk, ...]:
        chosen = [pk for pk in self.active if self.standing.position(pk)][:TOP_RISKS]
        by_risk: dict[int, list[MitigationRow]] = {pk: [] for pk in chosen}
        shown = mitigations.filter(risk__in=chosen).exclude(state=MitigationState.DROPPED)
        for mitigation in shown.select_related("owner").late_first():
            code = self.risks[mitigation.risk_id].code
            by_risk[mitigation.risk_id].append(self._mitigation_row(mitigation, code))
        return tuple(self._top_risk(pk, by_risk[pk]) for pk in chosen)

    def _top_risk(self, pk: int, mitigations: Sequence[MitigationRow]) -> TopRisk:
        risk = self.risks[pk]
        parts = ((_("Cause"), "cause"), (_("Event"), "event"), (_("Consequence"), "consequence"))
        return TopRisk(
            row=self._row(pk),
            statement=tuple((label, _said(risk, name)) for label, name in parts if getattr(risk, name)),
            loss=self._loss(risk.expected_loss),
            mitigations=tuple(mitigations),
        )

    def _mitigation_row(self, mitigation: Mitigation, code: str) -> MitigationRow:
        state = MitigationState(mitigation.state)
        under_way = state == MitigationState.UNDER_WAY
        return MitigationRow(
            code=code,
            title=_said(mitigation, "title"),
            trigger=_said(mitigation, "trigger"),
            kind=mitigation.get_kind_display(),
            owner=str(mitigation.owner or ""),
            due=formatting.day(mitigation.done_date or mitigation.due_date),
            late=mitigation.is_late(self.today),
            state=f"{state.label} {formatting.share(mitigation.progress / 100)}"
            if under_way
            else str(state.label),
        )

    def _late_mitigations(self, mitigations: MitigationQuerySet) -> tuple[MitigationRow, ...]:
        late = mitigations.late(self.today).select_related("owner", "risk").order_by("due_order", "id")
        return tuple(self._mitigation_row(mitigation, mitigation.risk.code) for mitigation in late)

    def _late_reviews(self) -> tuple[ReviewRow, ...]:
        due = Risk.objects.filter(register=self.register).review_due(self.today).select_related("owner")
        return tuple(
            ReviewRow(
                risk.code,
                _said(risk, "title"),
                str(risk.owner or ""),
                formatting.day(risk.next_review_date),
                self._rated(risk.pk),
            )
            for risk in due.order_by("next_review_date", "id")
        )

    def _acceptances(self) -> tuple[AcceptanceRow, ...]:
        ending = Acceptance.objects.filter(
            risk__register=self.register, ended_at=None, until_date__lte=self.today + ACCEPTANCES_WITHIN
        )
        return tuple(
            AcceptanceRow(
                acceptance.risk.code,
                _said(acceptance.risk, "title"),
                str(acceptance.approver),
                _said(acceptance, "reason"),
                formatting.day(acceptance.until_date),
                self._rated(acceptance.risk_id),
            )
            for acceptance in ending.select_related("risk", "approver").order_by("until_date", "id")
        )

    # --- method

    def _scales(self) -> Scales:
        matrix = self.matrix
        source = self.register.matrix
        scores: Mapping[int, list[int]] = {level: [] for level in matrix.levels}
        for cell in matrix.grid.cells.values():
            scores[cell.level].append(cell.score)
        return Scales(
            name=_("%(name)s, version %(version)d") % {"name": source.name, "version": source.version},
            description=_said(source, "description"),
            probabilities=tuple(self._steps(matrix.probabilities)),
            impacts=tuple(self._steps(matrix.impacts, self.register.budget_amount)),
            levels=tuple(
                LevelRow(
                    level.mark,
                    _said(level, "name"),
                    level.tone,
                    _span(scores[level.level]),
                    _said(level, "response"),
                )
                for level in matrix.worst_first
            ),
            grid=tuple(
                (
                    step.name,
                    tuple(
                        Rating(level.mark, cell.score, level.name, level.tone, "")
                        for cell in cells
                        for level in (matrix.level(cell.level),)
                    ),
                )
                for step, cells in matrix.rows
            ),
        )

    def _steps(self, steps: Iterable[Any], budget: Decimal | None = None) -> Iterable[StepRow]:
        for step in steps:
            span = formatting.share_range(step.low, step.high)
            if budget is not None:
                money = self._money_range(step.low, step.high, float(budget))
                span = _("%(share)s (%(money)s)") % {"share": span, "money": money}
            yield StepRow(step.index, _said(step, "name"), _said(step, "hint"), span)

    def _money_range(self, low: float, high: float | None, budget: float) -> str:
        if high is None:
            return _("above %(amount)s") % {"amount": self.money(low * budget)}
        if low == 0:
            return _("below %(amount)s") % {"amount": self.money(high * budget)}
        return f"{self.money(low * budget)}–{self.money(high * budget)}"


_CHANGES = {
    What.NEW: pgettext_lazy("change", "New"),
    What.REOPENED: pgettext_lazy("change", "Reopened"),
    What.CLOSED: pgettext_lazy("change", "Closed"),
    What.UP: pgettext_lazy("change", "Moved up"),
    What.DOWN: pgettext_lazy("change", "Moved down"),
    What.SHIFTED: pgettext_lazy("change", "Moved, same score"),
    What.ASSESSED: pgettext_lazy("change", "Assessed for the first time"),
    What.ACCEPTED: pgettext_lazy("change", "Accepted"),
}
_ARROWS = {What.UP: "↑", What.DOWN: "↓", What.SHIFTED: "→"}


def _listed(items: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Names with what belongs to each, in words: `Oct 26: High 2, Low 1; Nov 26: High 3, Low 1`."""
    comma = pgettext("between two items of a list", ", ")
    semicolon = pgettext("between two groups of a list", "; ")
    pattern = _("%(name)s: %(items)s")
    return semicolon.join(pattern % {"name": name, "items": comma.join(found)} for name, found in items)


def _severe(standing: Standing) -> int:
    """How many active risks are at level high or above."""
    return sum(count for level, count in standing.levels().items() if level >= Level.HIGH)


def _risks(count: int) -> str:
    return ngettext("%d risk", "%d risks", count) % count if count else _("no risks")


def _in_words(change: int) -> str:
    if change == 0:
        return _("as many as a month before")
    if change > 0:
        return ngettext("%d more than a month before", "%d more than a month before", change) % change
    return ngettext("%d fewer than a month before", "%d fewer than a month before", -change) % -change


def _span(scores: Sequence[int]) -> str:
    low, high = min(scores, default=0), max(scores, default=0)
    return str(low) if low == high else f"{low}–{high}"

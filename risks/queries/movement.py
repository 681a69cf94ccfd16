"""What a register looked like at a moment and what moved between two, read from its append-only history.

A month is written as its first day. A moment is exclusive: `month_end(month)` is the first instant of the
next month, so for the month that is still running the standing at its end is the standing now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cached_property

from django.db.models import Min
from django.utils import timezone

from risks.enums import ACTIVE_STATES, Kind, State
from risks.models import Assessment, Register, StateChange
from risks.quant.matrix import rank


def month_of(day: date) -> date:
    return day.replace(day=1)


def next_month(month: date) -> date:
    return month_of(month + timedelta(days=31))


def month_before(month: date) -> date:
    return month_of(month - timedelta(days=1))


def month_end(month: date) -> datetime:
    """The first instant after the month, in the site's time zone."""
    following = next_month(month)
    return timezone.make_aware(datetime(following.year, following.month, 1), timezone.get_default_timezone())


def month_start(month: date) -> datetime:
    return month_end(month_before(month))


def day_end(day: date) -> datetime:
    """The first instant after the day in the time zone of the moment, by which pages write their dates."""
    following = day + timedelta(days=1)
    return timezone.make_aware(datetime(following.year, following.month, following.day))


def first_months(registers: Iterable[Register]) -> dict[int, date]:
    """The month of each register's first risk, by register id; those without risks are missing. One query."""
    moves = StateChange.objects.filter(register__in=list(registers)).order_by()
    first = moves.values_list("register").annotate(first=Min("moved_at"))
    return {pk: month_of(timezone.localdate(at, timezone.get_default_timezone())) for pk, at in first}


def months_since(first: date | None, today: date) -> list[date]:
    """Months a report can be made of, the newest first: since that of the first risk; at least this one."""
    month = month_of(today)
    months = [month]
    while first is not None and month > first:
        month = month_before(month)
        months.append(month)
    return months


@dataclass(frozen=True, slots=True)
class Position:
    """A cell of the matrix as it was scored."""

    probability: int
    impact: int
    score: int
    level: int

    @property
    def cell(self) -> tuple[int, int]:
        return self.probability, self.impact

    @property
    def rank(self) -> int:
        return rank(self.level, self.score)


@dataclass(frozen=True)
class Standing:
    """A register at one moment: the state of each risk by id, and its position by id and kind."""

    states: Mapping[int, str]
    positions: Mapping[tuple[int, str], Position]

    @cached_property
    def active(self) -> frozenset[int]:
        return frozenset(pk for pk, state in self.states.items() if state in ACTIVE_STATES)

    def position(self, risk_id: int, kind: Kind = Kind.RESIDUAL) -> Position | None:
        return self.positions.get((risk_id, kind.value))

    def levels(self) -> Counter[int]:
        """Active risks by residual level; 0 counts those not assessed."""
        found = (self.position(pk) for pk in self.active)
        return Counter(position.level if position else 0 for position in found)


@dataclass(frozen=True)
class History:
    """Every change of state and every scoring of a register's risks, oldest first."""

    moves: tuple[tuple[datetime, int, str], ...]  # moment, risk, state entered
    scorings: tuple[tuple[datetime, int, str, Position], ...]  # moment, risk, kind, position

    def at(self, moment: datetime) -> Standing:
        """The standing just before the moment."""
        return Standing(
            {risk: state for at, risk, state in self.moves if at < moment},
            {(risk, kind): position for at, risk, kind, position in self.scorings if at < moment},
        )

    def ever_active(self, moment: datetime) -> frozenset[int]:
        """Risks that have counted at some time before the moment."""
        return frozenset(risk for at, risk, state in self.moves if at < moment and state in ACTIVE_STATES)


def read_history(register: Register, until: datetime) -> History:
    """The register's history before the moment. Two queries."""
    moves = StateChange.objects.filter(register=register, moved_at__lt=until).order_by("moved_at", "id")
    scorings = Assessment.objects.filter(register=register, assessed_at__lt=until)
    return History(
        tuple(moves.values_list("moved_at", "risk_id", "to_state")),
        tuple(
            (at, risk, kind, Position(*cell))
            for at, risk, kind, *cell in scorings.order_by("assessed_at", "id").values_list(
                "assessed_at", "risk_id", "kind", "probability", "impact", "score", "level"
            )
        ),
    )


class What(Enum):
    """What became of a risk between two moments."""

    NEW = "new"
    REOPENED = "reopened"
    CLOSED = "closed"
    ACCEPTED = "accepted"
    UP = "up"
    DOWN = "down"
    SHIFTED = "shifted"
    ASSESSED = "assessed"


@dataclass(frozen=True)
class Change:
    """One net change of one risk, with its residual positions at the two moments.

    `move` and `scoring` are the acts of the period that explain it, where there are such.
    """

    what: What
    risk_id: int
    before: Position | None
    after: Position | None
    move: StateChange | None
    scoring: Assessment | None


@dataclass(frozen=True)
class Movement:
    """A register at two moments and all that changed between them.

    Active at the end = active at the start + new + reopened − closed.
    """

    before: Standing
    after: Standing
    changes: tuple[Change, ...]

    def of(self, what: What) -> list[Change]:
        return [change for change in self.changes if change.what == what]

    def count(self, what: What) -> int:
        return len(self.of(what))


def read_movement(register: Register, history: History, start: datetime, end: datetime) -> Movement:
    """What changed in the register from `start` to `end`. Two queries, for who did it and why."""
    before, after = history.at(start), history.at(end)
    moves = {
        (act.risk_id, act.to_state): act
        for act in StateChange.objects.filter(register=register, moved_at__gte=start, moved_at__lt=end)
        .select_related("moved_by")
        .order_by("moved_at", "id")
    }
    scorings = _scorings_by_risk(register, start, end)
    new = history.ever_active(end) - history.ever_active(start)
    changes = []
    for risk_id in sorted(after.states):
        for what in _changes_of(risk_id, before, after, risk_id in new):
            move = moves.get((risk_id, after.states[risk_id])) if what in _BY_MOVE else None
            scoring = scorings.get(risk_id)
            changes.append(
                Change(what, risk_id, before.position(risk_id), after.position(risk_id), move, scoring)
            )
    return Movement(before, after, tuple(changes))


_BY_MOVE = frozenset({What.NEW, What.REOPENED, What.CLOSED, What.ACCEPTED})


def _scorings_by_risk(register: Register, start: datetime, end: datetime) -> dict[int, Assessment]:
    """The newest scoring of each risk in the period that gives a reason; without one, the newest."""
    found: dict[int, Assessment] = {}
    scorings = Assessment.objects.filter(
        register=register, kind=Kind.RESIDUAL, assessed_at__gte=start, assessed_at__lt=end
    )
    for act in scorings.select_related("assessed_by").order_by("assessed_at", "id"):
        if act.reason or act.risk_id not in found or not found[act.risk_id].reason:
            found[act.risk_id] = act
    return found


def _changes_of(risk_id: int, before: Standing, after: Standing, new: bool) -> Iterable[What]:
    was, is_now = risk_id in before.active, risk_id in after.active
    if new:
        yield What.NEW
    elif is_now and not was:
        yield What.REOPENED
    if (was or new) and not is_now:
        yield What.CLOSED
    if is_now and after.states[risk_id] == State.ACCEPTED != before.states.get(risk_id):
        yield What.ACCEPTED
    if was and is_now:
        yield from _moves_of(before.position(risk_id), after.position(risk_id))


def _moves_of(before: Position | None, after: Position | None) -> Iterable[What]:
    if after is None:
        return
    if before is None:
        yield What.ASSESSED
    elif after.rank != before.rank:
        yield What.UP if after.rank > before.rank else What.DOWN
    elif after.cell != before.cell:
        yield What.SHIFTED

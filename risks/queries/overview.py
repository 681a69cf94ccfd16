"""What the overview shows: where the registers stand, what one has to do, what changed, the year's trend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum

from risks.enums import Moved, State
from risks.models import (
    Acceptance,
    Assessment,
    LevelTally,
    Mitigation,
    Register,
    Risk,
    StateChange,
    Team,
    User,
)
from risks.queries.changes import (
    entries_since,
    moved_risks,
    moves_since,
    net_movement,
    scorings_since,
    window_start,
)
from risks.queries.heat_map import RegisterCounts, count_cells
from risks.queries.movement import month_before, month_of
from risks.queries.union import read_ids

TOP = 10
WORK = 5
"""Rows of each sort of work; the others are counted."""
ACTS = 8
ENDING_SOON = timedelta(days=30)
MONTHS = 12


@dataclass(frozen=True)
class Work:
    """Things of one sort that wait for somebody: how many, and the first of them."""

    count: int
    first: Sequence[Any]

    @property
    def more(self) -> int:
        return self.count - len(self.first)


@dataclass(frozen=True)
class Trend:
    """Active risks by level (0: not assessed) at the end of each month, the current one as it is now."""

    months: Sequence[date]
    counts: Mapping[int, Sequence[int]]

    @property
    def highest(self) -> int:
        return max(sum(column) for column in zip(*self.counts.values(), strict=True)) if self.counts else 0


@dataclass(frozen=True)
class Overview:
    """Mitigations and reviews are late on the day; risks in `top` begin with the worst."""

    counts: Mapping[int, RegisterCounts]
    late_mitigations: int
    late_reviews: int
    drafts: int
    my_mitigations: Work
    my_reviews: Work
    my_unassessed: Work
    acceptances: Work
    waiting: Work
    top: Sequence[Risk]
    changes: Mapping[Moved, int]
    acts: Sequence[Assessment | StateChange]
    trend: Trend

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever logged here."""
        return not (self.trend.highest or self.drafts or self.top or any(self.changes.values()))


@dataclass(frozen=True)
class Asked:
    """Whose overview, of which registers, on which day. `register` is the one, if it is one only."""

    team: Team
    registers: Sequence[Register]
    register: Register | None
    user: User
    confirms: bool
    today: date

    @property
    def narrow(self) -> dict[str, Any]:
        """The team always, because the indexes begin with it."""
        return {"team": self.team} | ({"register": self.register} if self.register else {})


def read_overview(asked: Asked) -> Overview:
    """Eight queries, whatever the number of risks; fewer where there is nothing to show."""
    ids, numbers = _read_ids(asked)
    risks = _load_risks(ids)
    mitigations = Mitigation.objects.select_related("risk").in_bulk(ids["my_mitigations"])
    moved = net_movement(asked.registers, window_start(asked.today)).aggregate(
        up=Count("risk", filter=Q(net__gt=0)), down=Count("risk", filter=Q(net__lt=0))
    )

    def work(name: str, rows: Mapping[int, Any]) -> Work:
        return Work(numbers[name], [rows[pk] for pk in ids[name]])

    return Overview(
        counts=count_cells(asked.registers),
        late_mitigations=numbers["late_mitigations"],
        late_reviews=numbers["late_reviews"],
        drafts=numbers["drafts"],
        my_mitigations=work("my_mitigations", mitigations),
        my_reviews=work("my_reviews", risks),
        my_unassessed=work("my_unassessed", risks),
        acceptances=work("acceptances", risks),
        waiting=work("waiting", risks),
        top=[risks[pk] for pk in ids["top"]],
        changes={
            Moved.NEW: numbers["new"],
            Moved.CLOSED: numbers["closed"],
            Moved.UP: moved["up"],
            Moved.DOWN: moved["down"],
        },
        acts=_load_acts(ids),
        trend=read_trend(asked.registers, asked.today),
    )


Ids = Mapping[str, list[int]]
Counts = Mapping[str, int]


def _read_ids(asked: Asked) -> tuple[Ids, Counts]:
    """The ids of all rows to show, and all counts that an index answers; one query."""
    today, since, registers = asked.today, window_start(asked.today), asked.registers
    risks = Risk.objects.filter(**asked.narrow).order_by()
    mine = risks.active().owned_by(asked.user)
    mitigations = Mitigation.objects.filter(**asked.narrow).order_by()
    my_mitigations = mitigations.filter(owner=asked.user).late(today)
    drafts = risks.filter(state=State.DRAFT)
    waiting = drafts if asked.confirms else drafts.none()
    concerned = Q(risk__owner=asked.user) | Q(approver=asked.user)
    ending = Acceptance.objects.filter(
        concerned, ended_at=None, until_date__lte=today + ENDING_SOON, risk__register__in=registers
    ).order_by()
    counted: dict[str, QuerySet[Any]] = {
        "late_mitigations": mitigations.late(today),
        "late_reviews": risks.review_due(today),
        "drafts": drafts,
        "my_mitigations": my_mitigations,
        "my_reviews": mine.review_due(today),
        "my_unassessed": mine.unassessed(),
        "acceptances": ending,
        "waiting": waiting,
        "new": entries_since(registers, since),
        "closed": moved_risks(Risk.objects.filter(register__in=registers), registers, Moved.CLOSED, since),
    }
    sought: dict[str, QuerySet[Any]] = {
        "my_mitigations": my_mitigations.order_by("due_order", "id")[:WORK],
        "my_reviews": mine.review_due(today).order_by("next_review_date", "id")[:WORK],
        "my_unassessed": mine.unassessed().order_by("id")[:WORK],
        "waiting": waiting.order_by("id")[:WORK],
        "top": risks.active().filter(residual_rank__gt=0).worst_first()[:TOP],
        "scorings": scorings_since(registers, since).order_by("-assessed_at", "-id")[:ACTS],
        "moves": moves_since(registers, since)
        .exclude(to_state=State.DRAFT)
        .order_by("-moved_at", "-id")[:ACTS],
    }
    ids = {name: found.values("pk") for name, found in sought.items()}
    ids["acceptances"] = ending.order_by("until_date", "id").values("risk")[:WORK]
    return read_ids(ids, {name: found.order_by().values("pk") for name, found in counted.items()})


def _load_risks(ids: Ids) -> dict[int, Risk]:
    """The risks of all lists, each with the end of its running acceptance as `until`."""
    wanted = {
        pk for name in ("my_reviews", "my_unassessed", "waiting", "acceptances", "top") for pk in ids[name]
    }
    running = Acceptance.objects.filter(risk=OuterRef("pk"), ended_at=None).order_by()
    risks = Risk.objects.select_related("owner").annotate(until=Subquery(running.values("until_date")[:1]))
    return risks.in_bulk(wanted) if wanted else {}


def _load_acts(ids: Ids) -> list[Assessment | StateChange]:
    """The newest scorings that moved a risk and changes of state, mixed, the newest first."""
    scorings = Assessment.objects.select_related("risk", "assessed_by").in_bulk(ids["scorings"])
    moves = StateChange.objects.select_related("risk", "moved_by").in_bulk(ids["moves"])
    acts: list[Assessment | StateChange] = [*scorings.values(), *moves.values()]
    return sorted(acts, key=_moment, reverse=True)[:ACTS]


def _moment(act: Assessment | StateChange) -> Any:
    return act.assessed_at if isinstance(act, Assessment) else act.moved_at


def read_trend(registers: Sequence[Register], today: date) -> Trend:
    """Twelve month ends from the tally. One query."""
    months = [month_of(today)]
    while len(months) < MONTHS:
        months.insert(0, month_before(months[0]))
    rows = LevelTally.objects.filter(register__in=registers).order_by().values_list("month_date", "level")
    deltas: Counter[tuple[date, int]] = Counter()
    for month, level, delta in rows.annotate(Sum("delta")):
        deltas[max(month, months[0]), level] += delta
    counts = {}
    for level in sorted({level for _month, level in deltas}):
        counts[level] = list(accumulate(deltas[month, level] for month in months))
    return Trend(months, counts)

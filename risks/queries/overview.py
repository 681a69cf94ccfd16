"""What the overview shows: where the registers stand, what one has to do, what changed, the year's trend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Subquery, Sum

from risks.enums import Moved
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
from risks.models.team import person_name
from risks.models.translated import Translated
from risks.queries.changes import window_start
from risks.queries.heat_map import RegisterCounts, count_cells_and_losses
from risks.queries.movement import month_before, month_of
from risks.queries.union import execute

TOP = 10
WORK = 5
"""Rows of each sort of work; the others are counted."""
ACTS = 8
ENDING_SOON = timedelta(days=30)
MONTHS = 12


@dataclass(frozen=True, slots=True)
class RiskRow:
    """`until` is the end of its running acceptance."""

    pk: int
    register_id: int
    code: str
    title_en: str
    title_zh: str
    level: int | None
    score: int | None
    next_review_date: date | None
    until: date | None
    owner_name: str | None
    owner_email: str | None
    title = Translated()

    @property
    def owner(self) -> str:
        return person_name(self.owner_name or "", self.owner_email or "")


@dataclass(frozen=True, slots=True)
class MitigationRow:
    pk: int
    code: str
    title_en: str
    title_zh: str
    due_date: date
    title = Translated()


@dataclass(frozen=True, slots=True)
class ActRow:
    """One act on a risk: which, why, by whom, when."""

    register_id: int
    code: str
    title_en: str
    title_zh: str
    reason_en: str
    reason_zh: str
    name: str | None
    email: str | None
    at: datetime
    title, reason = Translated(), Translated()

    @property
    def by(self) -> str:
        return self.name or self.email or ""


@dataclass(frozen=True, slots=True)
class ScoringRow(ActRow):
    level: int
    score: int
    rank: int
    delta: int


@dataclass(frozen=True, slots=True)
class MoveRow(ActRow):
    from_state: str
    to_state: str


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
    top: Sequence[RiskRow]
    changes: Mapping[Moved, int]
    acts: Sequence[ScoringRow | MoveRow]
    trend: Trend

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever logged here."""
        return not (self.trend.highest or self.drafts or self.top or any(self.changes.values()))


@dataclass(frozen=True)
class Asked:
    """Whose overview, of which registers, on which day. `register` is the one, if it is one only.

    `left_out` are the team's registers that are not looked at, because they are archived.
    """

    team: Team
    registers: Sequence[Register]
    register: Register | None
    user: User
    confirms: bool
    today: date
    left_out: Sequence[Register] = ()


def read_overview(asked: Asked) -> Overview:
    """Seven queries, whatever the number of risks; fewer where there is nothing to show."""
    ids, numbers = _read_ids(asked)
    risks, mitigations = _load_risks(ids), _load_mitigations(ids)

    def work(name: str) -> Work:
        return Work(numbers[name], [risks[pk] for pk in ids[name]])

    return Overview(
        counts=count_cells_and_losses(asked.registers),
        late_mitigations=numbers["late_mitigations"],
        late_reviews=numbers["late_reviews"],
        drafts=numbers["drafts"],
        my_mitigations=Work(numbers["my_mitigations"], [mitigations[pk] for pk in ids["my_mitigations"]]),
        my_reviews=work("my_reviews"),
        my_unassessed=work("my_unassessed"),
        acceptances=work("acceptances"),
        waiting=work("drafts") if asked.confirms else Work(0, []),
        top=[risks[pk] for pk in ids["top"]],
        changes={
            Moved.NEW: numbers["new"],
            Moved.CLOSED: numbers["closed once"] + numbers["closed again"],
            Moved.UP: numbers["up"],
            Moved.DOWN: numbers["down"],
        },
        acts=_load_acts(ids),
        trend=read_trend(asked.registers, asked.today),
    )


# --- counts, and the ids of the rows to show

# Written out, because the ORM takes 5 ms to put these 19 reads together and the database 1 ms to answer them.
# Each says the same as the filter of the list that the figure leads to; the tests hold them to it.
_TEAM = "team_id = %(team)s{one}"
_MINE = f"risks_risk WHERE {_TEAM} AND active = TRUE AND owner_id = %(me)s"
_DRAFTS = f"risks_risk WHERE {_TEAM} AND state = 'draft'"
_LATE = f"risks_mitigation WHERE {_TEAM} AND pending = TRUE AND due_order < %(today)s"
_ENDING = (
    "risks_acceptance AS a JOIN risks_risk AS r ON r.id = a.risk_id WHERE a.ended_at IS NULL"
    " AND a.until_date <= %(soon)s AND r.register_id IN ({registers})"
    " AND (r.owner_id = %(me)s OR a.approver_id = %(me)s)"
)
_MOVES = "risks_statechange WHERE register_id IN ({registers}) AND moved_at >= %(since)s"
_REOPENED = f"SELECT risk_id FROM {_MOVES} AND to_state = 'open' AND from_state = 'closed'"  # noqa: S608  # nosec B608
_NET = (
    "WITH net AS (SELECT SUM(delta) AS net FROM risks_assessment WHERE register_id IN ({registers})"
    " AND kind = 'residual' AND assessed_at >= %(since)s AND delta <> 0 GROUP BY risk_id) "
)
_COUNTED = {
    "up": "net WHERE net > 0",
    "down": "net WHERE net < 0",
    "late_mitigations": _LATE,
    "late_reviews": f"risks_risk WHERE {_TEAM} AND active = TRUE AND next_review_date < %(today)s",
    "drafts": _DRAFTS,
    "my_mitigations": f"{_LATE} AND owner_id = %(me)s",
    "my_reviews": f"{_MINE} AND next_review_date < %(today)s",
    "my_unassessed": f"{_MINE} AND residual_rank = 0",
    "acceptances": _ENDING,
    "new": f"{_MOVES} AND to_state IN ('open', 'treating', 'accepted') AND from_state IN ('', 'draft')",
    "closed once": f"{_MOVES} AND to_state = 'closed' AND from_state IN ('open', 'treating', 'accepted')"
    f" AND risk_id NOT IN ({_REOPENED})",
    "closed again": f"risks_risk WHERE state = 'closed' AND id IN ({_REOPENED})",
}
_SOUGHT = {
    "my_mitigations": f"id FROM {_LATE} AND owner_id = %(me)s ORDER BY due_order, id LIMIT {WORK}",
    "my_reviews": f"id FROM {_MINE} AND next_review_date < %(today)s"
    f" ORDER BY next_review_date, id LIMIT {WORK}",
    "my_unassessed": f"id FROM {_MINE} AND residual_rank = 0 ORDER BY id LIMIT {WORK}",
    "drafts": f"id FROM {_DRAFTS} ORDER BY id LIMIT {WORK}",
    "acceptances": f"r.id FROM {_ENDING} ORDER BY a.until_date, a.id LIMIT {WORK}",
    "top": f"id FROM risks_risk WHERE {_TEAM} AND active = TRUE AND residual_rank > 0"
    f" ORDER BY residual_rank DESC, id DESC LIMIT {TOP}",
    "scorings": "id FROM risks_assessment WHERE register_id IN ({registers}) AND kind = 'residual'"
    f" AND assessed_at >= %(since)s AND delta <> 0 ORDER BY assessed_at DESC, id DESC LIMIT {ACTS}",
    "moves": f"id FROM {_MOVES} AND to_state <> 'draft' ORDER BY moved_at DESC, id DESC LIMIT {ACTS}",
}


@cache
def _statement(one_register: bool, registers: int, left_out: int) -> str:
    parts = [
        *(f"SELECT 0, '{name}', COUNT(*) FROM {source}" for name, source in _COUNTED.items()),  # noqa: S608  # nosec B608
        *(f"SELECT 1, '{name}', id FROM (SELECT {source}) AS part" for name, source in _SOUGHT.items()),  # noqa: S608  # nosec B608
    ]
    # The plus keeps SQLite from the register's index, which would make it read every row of the register.
    one = " AND +register_id = %(register)s" if one_register else ""
    if left_out and not one_register:
        one = f" AND +register_id NOT IN ({', '.join(f'%(left{index})s' for index in range(left_out))})"
    marks = ", ".join(f"%(register{index})s" for index in range(registers)) or "NULL"
    return (_NET + " UNION ALL ".join(parts)).replace("{one}", one).replace("{registers}", marks)


Ids = Mapping[str, list[int]]


def _read_ids(asked: Asked) -> tuple[Ids, Mapping[str, int]]:
    """The ids of all rows to show, and all counts that an index answers; one query."""
    params: dict[str, Any] = {
        "team": asked.team.pk,
        "me": asked.user.pk,
        "today": connection.ops.adapt_datefield_value(asked.today),
        "soon": connection.ops.adapt_datefield_value(asked.today + ENDING_SOON),
        "since": connection.ops.adapt_datetimefield_value(window_start(asked.today)),
        **{f"register{index}": register.pk for index, register in enumerate(asked.registers)},
        **{f"left{index}": register.pk for index, register in enumerate(asked.left_out)},
    }
    if asked.register:
        params["register"] = asked.register.pk
    ids: dict[str, list[int]] = {name: [] for name in _SOUGHT}
    counts: dict[str, int] = {}
    statement = _statement(asked.register is not None, len(asked.registers), len(asked.left_out))
    for is_id, name, number in execute(statement, params):
        if is_id:
            ids[name].append(number)
        else:
            counts[name] = number
    return ids, counts


# --- the rows, with the columns that are shown and no others


def _load_risks(ids: Ids) -> dict[int, RiskRow]:
    wanted = {
        pk for name in ("my_reviews", "my_unassessed", "drafts", "acceptances", "top") for pk in ids[name]
    }
    running = Acceptance.objects.filter(risk=OuterRef("pk"), ended_at=None).order_by()
    rows = Risk.objects.filter(pk__in=wanted).values_list(
        "pk", "register_id", "code", "title_en", "title_zh", "residual_level", "residual_score",
        "next_review_date", Subquery(running.values("until_date")[:1]), "owner__name", "owner__email",
    )  # fmt: skip
    return {row[0]: RiskRow(*row) for row in rows} if wanted else {}


def _load_mitigations(ids: Ids) -> dict[int, MitigationRow]:
    rows = Mitigation.objects.filter(pk__in=ids["my_mitigations"])
    columns = ("pk", "risk__code", "title_en", "title_zh", "due_date")
    return (
        {row[0]: MitigationRow(*row) for row in rows.values_list(*columns)} if ids["my_mitigations"] else {}
    )


_ACT = ("register_id", "risk__code", "risk__title_en", "risk__title_zh", "reason_en", "reason_zh")


def _load_acts(ids: Ids) -> list[ScoringRow | MoveRow]:
    """The newest first."""
    acts: list[ScoringRow | MoveRow] = [*_load_scorings(ids), *_load_moves(ids)]
    return sorted(acts, key=lambda act: act.at, reverse=True)[:ACTS]


def _load_scorings(ids: Ids) -> list[ScoringRow]:
    columns = ("assessed_by__name", "assessed_by__email", "assessed_at", "level", "score", "rank", "delta")
    rows = Assessment.objects.filter(pk__in=ids["scorings"]).values_list(*_ACT, *columns)
    return [ScoringRow(*row) for row in rows] if ids["scorings"] else []


def _load_moves(ids: Ids) -> list[MoveRow]:
    columns = ("moved_by__name", "moved_by__email", "moved_at", "from_state", "to_state")
    rows = StateChange.objects.filter(pk__in=ids["moves"]).values_list(*_ACT, *columns)
    return [MoveRow(*row) for row in rows] if ids["moves"] else []


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

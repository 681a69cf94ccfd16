"""The heat map: how many risks lie in each cell, and which of them come first.

Counts and order are read from the indexes `risks_risk_<kind>_cell` alone, whatever the number of risks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db.models import Count, Q, Sum

from risks.enums import Kind
from risks.models import Category, Register, Risk, User
from risks.models.risk import RiskQuerySet
from risks.models.translated import Translated
from risks.quant.matrix import Grid
from risks.queries.union import MAX_PARTS, execute

Place = tuple[int, int]
"""Indices (probability, impact) of a cell."""
FIRST = 6
"""Risks named in a cell; the others are counted."""


@dataclass(frozen=True)
class Narrowing:
    """Which of the active risks are wanted: all, or those of a category, an owner, or both."""

    category: Category | None = None
    owner: User | None = None

    @property
    def ids(self) -> dict[str, int]:
        """Column and wanted value."""
        chosen = {"category_id": self.category, "owner_id": self.owner}
        return {column: wanted.pk for column, wanted in chosen.items() if wanted}


@dataclass(frozen=True)
class RegisterCounts:
    """Active risks of one register.

    `expected_loss` is the sum of theirs, as a share of its budget; `estimated` counts those that have one.
    """

    cells: Counter[Place] = field(default_factory=Counter)
    unassessed: int = 0
    expected_loss: float = 0.0
    estimated: int = 0

    @property
    def active(self) -> int:
        return self.cells.total() + self.unassessed

    def levels(self, grid: Grid) -> Counter[int]:
        """How many at each level of the register's matrix."""
        found: Counter[int] = Counter()
        for place, count in self.cells.items():
            found[grid.cell(*place).level] += count
        return found


@dataclass(frozen=True, slots=True)
class Shown:
    """What a heat map tells of a risk. Not a model: a page shows 150 of them, and one takes 20 µs to make."""

    pk: int
    register_id: int
    code: str
    title_en: str
    title_zh: str
    state: str
    owner_id: int | None
    created_by_id: int | None
    probability: int | None
    impact: int | None
    rank: int
    title = Translated()


_SHOWN = ("id", "register_id", "code", "title_en", "title_zh", "state", "owner_id", "created_by_id")


def load_shown(ids: Iterable[int], kind: Kind | str, model: Any = Risk) -> list[Shown]:
    """The risks, or versions of risks, with these keys: the costliest first, then the oldest. One query."""
    position = [f"{Kind(kind)}_{name}" for name in ("probability", "impact", "rank")]
    rows = model.objects.filter(pk__in=list(ids)).order_by("-expected_loss", "id")
    return [Shown(*row) for row in rows.values_list(*_SHOWN, *position)]


def count_cells(
    registers: Sequence[Register], kind: Kind | str = Kind.RESIDUAL, narrowing: Narrowing | None = None
) -> dict[int, RegisterCounts]:
    """Counts of each register, by its id. One query."""
    rows = _by_cell(registers, kind, narrowing).annotate(count=Count("*"))
    return _counts(registers, [(*row, 0.0, 0) for row in rows])


def count_cells_and_losses(registers: Sequence[Register]) -> dict[int, RegisterCounts]:
    """Residual counts with the expected losses, which take a little longer. One query."""
    rows = _by_cell(registers, Kind.RESIDUAL, None)
    estimated = Count("pk", filter=Q(expected_loss__gt=0))
    return _counts(registers, rows.annotate(count=Count("*"), loss=Sum("expected_loss"), estimated=estimated))


def _by_cell(registers: Sequence[Register], kind: Kind | str, narrowing: Narrowing | None) -> Any:
    """Groups of one cell. One register is no group of its own: that takes a third longer."""
    axes = (f"{Kind(kind)}_probability", f"{Kind(kind)}_impact")
    risks = Risk.objects.filter(active=True, **(narrowing or Narrowing()).ids).order_by()
    if len(registers) == 1:
        return risks.filter(register=registers[0]).values_list(*axes)
    return risks.filter(register__in=[each.pk for each in registers]).values_list("register_id", *axes)


def _counts(registers: Sequence[Register], rows: Iterable[Any]) -> dict[int, RegisterCounts]:
    cells: dict[int, Counter[Place]] = {register.pk: Counter() for register in registers}
    unassessed: Counter[int] = Counter()
    estimated: Counter[int] = Counter()
    losses: defaultdict[int, float] = defaultdict(float)
    alone = (registers[0].pk,) if len(registers) == 1 else ()
    for register_id, probability, impact, count, loss, with_loss in ((*alone, *row) for row in rows):
        losses[register_id] += loss
        estimated[register_id] += with_loss
        if probability is None:
            unassessed[register_id] += count
        else:
            cells[register_id][probability, impact] = count
    return {pk: RegisterCounts(cells[pk], unassessed[pk], losses[pk], estimated[pk]) for pk in cells}


def first_in_cells(
    registers: Iterable[Register],
    counts: Mapping[int, RegisterCounts],
    kind: Kind | str,
    narrowing: Narrowing | None = None,
) -> list[int]:
    """Ids of the first risks of each cell that has any: the costliest, where ranges say so, then the oldest.

    A cell is shared by all registers with the same matrix. One query.
    """
    holders: defaultdict[tuple[int, Place], list[int]] = defaultdict(list)
    for register in registers:
        for place in counts[register.pk].cells:
            holders[register.matrix_id, place].append(register.pk)
    cells = iter([(place, register_ids) for (_matrix, place), register_ids in holders.items()])
    ids: list[int] = []
    while batch := list(islice(cells, MAX_PARTS)):
        ids += _first_ids(batch, Kind(kind), narrowing or Narrowing())
    return ids


def _first_ids(places: Iterable[tuple[Place, list[int]]], kind: Kind, narrowing: Narrowing) -> list[int]:
    """One index seek for each cell. Written out because the ORM takes longer to build 25 parts than the
    database to answer them, and window functions read every row."""
    wanted = "".join(f" AND {column} = %s" for column in narrowing.ids)
    parts, params = [], []
    for place, register_ids in places:
        marks = ", ".join(["%s"] * len(register_ids))
        parts.append(
            f"SELECT * FROM (SELECT id FROM risks_risk WHERE register_id IN ({marks}) AND active = TRUE"  # noqa: S608  # nosec B608 - marks only
            f" AND {kind}_probability = %s AND {kind}_impact = %s{wanted}"
            f" ORDER BY expected_loss DESC, id LIMIT {FIRST}) AS cell"
        )
        params += [*register_ids, *place, *narrowing.ids.values()]
    return [pk for (pk,) in execute(" UNION ALL ".join(parts), params)]


def count_versions(
    versions: RiskQuerySet, registers: Sequence[Register], kind: Kind | str, narrowing: Narrowing
) -> tuple[dict[int, RegisterCounts], list[int]]:
    """`count_cells` and `first_in_cells` of a past day: counts, and keys of the versions. One query.

    Reads all of them, for no index holds the cells of the past.
    """
    axes = (f"{Kind(kind)}_probability", f"{Kind(kind)}_impact")
    rows = versions.filter(active=True, **narrowing.ids).order_by("-expected_loss", "id")
    matrices = {register.pk: register.matrix_id for register in registers}
    cells: dict[int, Counter[Place]] = {pk: Counter() for pk in matrices}
    unassessed: Counter[int] = Counter()
    held: Counter[tuple[int, Place]] = Counter()
    first: list[int] = []
    for pk, register_id, *place in rows.values_list("pk", "register_id", *axes):
        if place[0] is None:
            unassessed[register_id] += 1
            continue
        cell = (place[0], place[1])
        cells[register_id][cell] += 1
        shared = (matrices[register_id], cell)
        held[shared] += 1
        if held[shared] <= FIRST:
            first.append(pk)
    return {pk: RegisterCounts(cells[pk], unassessed[pk]) for pk in cells}, first

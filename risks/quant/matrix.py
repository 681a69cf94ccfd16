"""The risk matrix as numbers: steps of both axes, cells with score and level, and the axioms it must keep.

Levels and indices begin at 1 and rise with badness. Source of the axioms: Cox, "What's wrong with risk
matrices?", Risk Analysis 28 (2008); those that a matrix must not break are reported as problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

AxisName = Literal["probability", "impact"]


@dataclass(frozen=True, slots=True)
class Step:
    """One level of an axis and its number range, `low` inclusive, `high` exclusive (None: no upper end)."""

    index: int
    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    probability: int
    impact: int
    score: int
    level: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule of a matrix: `code` names the rule, the rest says where."""

    code: Literal[
        "size", "steps", "range_order", "range_gap", "cell_missing", "level_unknown", "level_falls",
        "score_falls", "score_level",
    ]  # fmt: skip
    axis: AxisName | None = None
    index: int = 0
    probability: int = 0
    impact: int = 0


@dataclass(frozen=True)
class Grid:
    """A whole matrix. Indices run from 1 to the number of steps of their axis."""

    probabilities: tuple[Step, ...]
    impacts: tuple[Step, ...]
    cells: Mapping[tuple[int, int], Cell]

    def cell(self, probability: int, impact: int) -> Cell:
        """The cell at these indices; raises KeyError outside the matrix."""
        return self.cells[probability, impact]

    def locate(self, axis: AxisName, value: float) -> int:
        """Index of the step whose range holds `value`; the first or last where it lies outside all."""
        steps = self.probabilities if axis == "probability" else self.impacts
        return max((step.index for step in steps if value >= step.low), default=steps[0].index)


def rank(level: int | None, score: int | None) -> int:
    """One number that orders positions of all matrices: level first, then score; 0 for none."""
    return 0 if level is None or score is None else level * 1000 + score


def problems(grid: Grid, levels: Iterable[int]) -> list[Problem]:
    """Everything wrong with the matrix as a whole; an empty list if it is complete and monotone."""
    found = [*_axis_problems("probability", grid.probabilities), *_axis_problems("impact", grid.impacts)]
    return found or _cell_problems(grid, frozenset(levels))


def _axis_problems(axis: AxisName, steps: tuple[Step, ...]) -> list[Problem]:
    if not 2 <= len(steps) <= 7:
        return [Problem("size", axis)]
    if [step.index for step in steps] != list(range(1, len(steps) + 1)):
        return [Problem("steps", axis)]
    found = [Problem("range_order", axis, s.index) for s in steps if s.high is not None and s.low >= s.high]
    for before, after in pairwise(steps):
        if before.high != after.low:
            found.append(Problem("range_gap", axis, after.index))
    return found


def _cell_problems(grid: Grid, levels: frozenset[int]) -> list[Problem]:
    where = [(p.index, i.index) for p in grid.probabilities for i in grid.impacts]
    missing = [Problem("cell_missing", probability=p, impact=i) for p, i in where if (p, i) not in grid.cells]
    if missing:
        return missing
    found = []
    for p, i in where:
        cell = grid.cells[p, i]
        if cell.level not in levels:
            found.append(Problem("level_unknown", probability=p, impact=i))
        for neighbour in ((p - 1, i), (p, i - 1)):
            lower = grid.cells.get(neighbour)
            if lower and lower.level > cell.level:
                found.append(Problem("level_falls", probability=p, impact=i))
            elif lower and lower.score > cell.score:
                found.append(Problem("score_falls", probability=p, impact=i))
    return found or _score_level_problems(grid)


def _score_level_problems(grid: Grid) -> list[Problem]:
    """A higher score never has a lower level, or the two would contradict each other in one list."""
    found, highest = [], 0
    for cell in sorted(grid.cells.values(), key=lambda cell: (cell.score, cell.level)):
        if cell.level < highest:
            found.append(Problem("score_level", probability=cell.probability, impact=cell.impact))
        highest = max(highest, cell.level)
    return found

"""Matrices, read whole and kept in the process: a version never changes once a register uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from risks.enums import Axis
from risks.models import Matrix, MatrixCell, MatrixLevel, MatrixStep
from risks.quant.matrix import Cell, Grid, Step


@dataclass(frozen=True)
class LoadedMatrix:
    """A matrix with its numbers (`grid`) and its words."""

    id: int
    grid: Grid
    probabilities: tuple[MatrixStep, ...]
    impacts: tuple[MatrixStep, ...]
    levels: Mapping[int, MatrixLevel]

    def cell(self, probability: int, impact: int) -> Cell:
        return self.grid.cell(probability, impact)

    def level(self, level: int) -> MatrixLevel:
        return self.levels[level]

    def level_at(self, probability: int, impact: int) -> MatrixLevel:
        return self.levels[self.grid.cell(probability, impact).level]

    @property
    def rows(self) -> list[tuple[MatrixStep, list[Cell]]]:
        """As it is drawn: the highest probability on top, impact rising to the right."""
        return [
            (step, [self.cell(step.index, impact.index) for impact in self.impacts])
            for step in reversed(self.probabilities)
        ]

    @property
    def worst_first(self) -> list[MatrixLevel]:
        return [self.levels[level] for level in sorted(self.levels, reverse=True)]


def load_matrix(matrix: Matrix) -> LoadedMatrix:
    """The matrix with all its rows: three queries the first time in a process, none after."""
    return _load(matrix.pk, matrix.revision)


@lru_cache(maxsize=64)
def _load(matrix_id: int, revision: int) -> LoadedMatrix:
    steps = list(MatrixStep.objects.filter(matrix_id=matrix_id).order_by("index"))
    cells = {
        (cell.probability, cell.impact): Cell(cell.probability, cell.impact, cell.score, cell.level)
        for cell in MatrixCell.objects.filter(matrix_id=matrix_id)
    }
    levels = {level.level: level for level in MatrixLevel.objects.filter(matrix_id=matrix_id)}
    probabilities = tuple(step for step in steps if step.axis == Axis.PROBABILITY)
    impacts = tuple(step for step in steps if step.axis == Axis.IMPACT)
    grid = Grid(_numbers(probabilities), _numbers(impacts), cells)
    return LoadedMatrix(matrix_id, grid, probabilities, impacts, levels)


def _numbers(steps: tuple[MatrixStep, ...]) -> tuple[Step, ...]:
    return tuple(Step(step.index, step.low, step.high) for step in steps)

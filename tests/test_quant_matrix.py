"""The matrix as numbers: what `problems` finds, and properties that hold for every sound matrix."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.quant.matrix import Cell, Grid, Problem, Step, problems, rank

LEVELS = (1, 2, 3, 4)
EDGES = (0.0, 0.02, 0.07, 0.2, 0.5, 0.8, 0.9)


def steps(count: int) -> tuple[Step, ...]:
    return tuple(
        Step(index, EDGES[index - 1], EDGES[index] if index < count else None)
        for index in range(1, count + 1)
    )


def level_of(score: int) -> int:
    return next(level for level, up_to in ((1, 4), (2, 6), (3, 8), (4, 14)) if score <= up_to)


def sum_grid(rows: int = 5, columns: int = 5) -> Grid:
    cells = {
        (p, i): Cell(p, i, p + i, level_of(p + i))
        for p, i in product(range(1, rows + 1), range(1, columns + 1))
    }
    return Grid(steps(rows), steps(columns), cells)


def with_cell(grid: Grid, probability: int, impact: int, **changes: int) -> Grid:
    cell = replace(grid.cell(probability, impact), **changes)
    return replace(grid, cells={**grid.cells, (probability, impact): cell})


@given(st.integers(2, 7), st.integers(2, 7))
def test_problems_of_sum_grid_of_any_size_are_none(rows, columns):
    assert problems(sum_grid(rows, columns), LEVELS) == []


def test_problems_axis_of_one_step_reports_size():
    assert problems(sum_grid(1, 5), LEVELS) == [Problem("size", "probability")]


def test_problems_axis_of_eight_steps_reports_size():
    grid = replace(sum_grid(), impacts=tuple(Step(n, n, n + 1) for n in range(1, 9)))

    assert problems(grid, LEVELS) == [Problem("size", "impact")]


def test_problems_numbering_with_gap_reports_steps():
    numbered = (*steps(5)[:-1], replace(steps(5)[-1], index=6))

    assert problems(replace(sum_grid(), probabilities=numbered), LEVELS) == [Problem("steps", "probability")]


def test_problems_range_that_ends_below_its_start_reports_its_step():
    turned = (*steps(5)[:-1], Step(5, 0.5, 0.4))

    assert problems(replace(sum_grid(), impacts=turned), LEVELS) == [Problem("range_order", "impact", 5)]


def test_problems_hole_between_ranges_reports_the_upper_step():
    holed = (steps(5)[0], Step(2, 0.03, 0.07), *steps(5)[2:])

    assert problems(replace(sum_grid(), impacts=holed), LEVELS) == [Problem("range_gap", "impact", 2)]


def test_problems_open_end_in_the_middle_reports_a_gap():
    opened = (Step(1, 0, None), *steps(5)[1:])

    assert problems(replace(sum_grid(), impacts=opened), LEVELS) == [Problem("range_gap", "impact", 2)]


def test_problems_missing_cell_reports_where():
    grid = sum_grid()
    cells = {where: cell for where, cell in grid.cells.items() if where != (3, 2)}

    assert problems(replace(grid, cells=cells), LEVELS) == [Problem("cell_missing", probability=3, impact=2)]


def test_problems_level_that_is_not_listed_reports_each_cell():
    assert problems(sum_grid(2, 2), levels=(2, 3)) == [
        Problem("level_unknown", probability=p, impact=i) for p, i in product((1, 2), (1, 2))
    ]


def test_problems_level_that_falls_along_probability_reports_the_higher_cell():
    grid = with_cell(sum_grid(2, 2), 1, 1, level=2)

    assert problems(with_cell(grid, 1, 2, level=2), LEVELS) == [
        Problem("level_falls", probability=2, impact=1),
        Problem("level_falls", probability=2, impact=2),
    ]


def test_problems_score_that_falls_along_impact_reports_the_higher_cell():
    assert problems(with_cell(sum_grid(2, 2), 1, 2, score=1), LEVELS) == [
        Problem("score_falls", probability=1, impact=2)
    ]


def test_problems_higher_score_of_lower_level_reports_the_cell():
    """Neither cell lies below the other, so only the list as a whole shows the contradiction."""
    grid = with_cell(with_cell(sum_grid(2, 2), 1, 2, level=2), 2, 2, level=2)
    grid = with_cell(grid, 2, 1, score=4, level=1)

    assert problems(with_cell(grid, 2, 2, score=5), LEVELS) == [
        Problem("score_level", probability=2, impact=1)
    ]


@given(st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(1, 4))
def test_problems_any_cell_out_of_order_is_found(where, level):
    grid = with_cell(sum_grid(), *where, level=level)
    cells = grid.cells.values()
    falls = any(
        a.probability <= b.probability and a.impact <= b.impact and a.level > b.level
        for a in cells
        for b in cells
    )
    contradicts = any(a.score < b.score and a.level > b.level for a in cells for b in cells)

    assert bool(problems(grid, LEVELS)) == (falls or contradicts)


@pytest.mark.parametrize(
    ("value", "index"), [(-1, 1), (0, 1), (0.019, 1), (0.02, 2), (0.2, 4), (0.5, 5), (7, 5)]
)
def test_locate_value_finds_the_step_whose_range_begins_at_or_below_it(value, index):
    assert sum_grid().locate("probability", value) == index


@given(st.floats(0, 1), st.floats(0, 1))
def test_locate_never_falls_as_the_value_rises(a, b):
    low, high = sorted((a, b))

    assert sum_grid().locate("impact", low) <= sum_grid().locate("impact", high)


def test_cell_outside_the_matrix_raises_key_error():
    with pytest.raises(KeyError):
        sum_grid().cell(6, 1)


@pytest.mark.parametrize(
    ("level", "score", "expected"), [(None, None, 0), (1, 2, 1002), (4, 10, 4010), (4, None, 0)]
)
def test_rank_puts_level_before_score(level, score, expected):
    assert rank(level, score) == expected


@given(st.integers(1, 4), st.integers(0, 999), st.integers(1, 4), st.integers(0, 999))
def test_rank_orders_as_level_then_score(level, score, other_level, other_score):
    ordered = (level, score) < (other_level, other_score)

    assert (rank(level, score) < rank(other_level, other_score)) == ordered

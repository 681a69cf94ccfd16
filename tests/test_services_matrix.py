"""Versions of matrices, what makes one unsound in words, and the copy that processes hold."""

import pytest
from django.utils import translation

from risks.exceptions import NotAllowed
from risks.models import Matrix, MatrixCell
from risks.quant.matrix import Problem
from risks.queries.matrix import load_matrix
from risks.rules import Actor
from risks.services.matrix import (
    check_can_edit_matrix,
    describe_problems,
    is_in_use,
    mark_edited,
    revise_matrix,
)


def test_revise_matrix_copies_every_part_as_the_next_version(matrix):
    revised = revise_matrix(matrix, by=Actor.system(None))

    old, new = load_matrix(matrix), load_matrix(revised)
    assert (revised.key, revised.version, revised.is_active, revised.is_default) == (
        "log-5x5", 2, False, False,
    )  # fmt: skip
    assert new.grid == old.grid
    assert [level.name_zh for level in new.worst_first] == [level.name_zh for level in old.worst_first]
    assert Matrix.objects.get(pk=matrix.pk).is_default


def test_revise_matrix_of_an_old_version_follows_the_newest(matrix):
    revise_matrix(matrix, by=Actor.system(None))

    assert revise_matrix(matrix, by=Actor.system(None)).version == 3


def test_matrix_in_use_by_a_register_is_not_edited(register, matrix):
    assert is_in_use(matrix)
    with pytest.raises(NotAllowed, match="Make a new version"):
        check_can_edit_matrix(matrix)


def test_matrix_not_in_use_is_edited(matrix):
    assert not is_in_use(matrix)
    check_can_edit_matrix(matrix)


def test_mark_edited_makes_processes_read_the_rows_again(matrix):
    held = load_matrix(matrix)
    MatrixCell.objects.filter(matrix=matrix, probability=1, impact=1).update(score=1)
    assert load_matrix(matrix) is held

    mark_edited(matrix, by=Actor.system(None))
    matrix.refresh_from_db()

    assert load_matrix(matrix).cell(1, 1).score == 1


def test_load_matrix_once_in_memory_takes_no_query(register, django_assert_num_queries):
    with django_assert_num_queries(0):
        load_matrix(register.matrix)


def test_loaded_matrix_is_drawn_with_the_highest_probability_on_top(matrix):
    rows = load_matrix(matrix).rows

    assert [step.index for step, _ in rows] == [5, 4, 3, 2, 1]
    assert [cell.score for cell in rows[0][1]] == [6, 7, 8, 9, 10]
    assert load_matrix(matrix).level_at(5, 5).name_en == "Critical"


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (Problem("size", "impact"), "The axis “impact” needs 2 to 7 levels."),
        (
            Problem("steps", "probability"),
            "Number the levels of the axis “probability” 1, 2, 3 … without a gap.",
        ),
        (
            Problem("range_order", "impact", 3),
            "Level 3 of the axis “impact” must end above where it begins.",
        ),
        (
            Problem("range_gap", "impact", 3),
            "Level 3 of the axis “impact” must begin where the level below it ends.",
        ),
        (
            Problem("cell_missing", probability=2, impact=4),
            "The cell 2 × 4 is missing. Give it a score and a level.",
        ),
        (
            Problem("level_unknown", probability=2, impact=4),
            "The cell 2 × 4 has a level that the matrix does not list.",
        ),
        (
            Problem("level_falls", probability=2, impact=4),
            "The level falls at the cell 2 × 4. "
            "It must not be lower than at a smaller probability or impact.",
        ),
        (
            Problem("score_falls", probability=2, impact=4),
            "The score falls at the cell 2 × 4. "
            "It must not be lower than at a smaller probability or impact.",
        ),
        (
            Problem("score_level", probability=2, impact=4),
            "The cell 2 × 4 has a higher score than another but a lower level.",
        ),
    ],
    ids=lambda value: value.code if isinstance(value, Problem) else "",
)
def test_describe_problems_says_where_and_what_to_do(problem, sentence):
    with translation.override("en"):
        assert describe_problems([problem]) == [sentence]

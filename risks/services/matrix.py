"""Making versions of matrices. The rows of one version are saved by the admin's form, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from risks.enums import Verb
from risks.exceptions import NotAllowed
from risks.models import Assessment, Matrix, MatrixCell, MatrixLevel, MatrixStep, Register
from risks.quant.matrix import Problem
from risks.rules import Actor
from risks.services.audit import record, reference_to
from risks.services.copies import copy_parts
from risks.services.history import save_tracked


def is_in_use(matrix: Matrix) -> bool:
    """Whether a register points at this version or anything was scored on it."""
    return (
        Register.objects.filter(matrix=matrix).exists() or Assessment.objects.filter(matrix=matrix).exists()
    )


def check_can_edit_matrix(matrix: Matrix) -> None:
    if is_in_use(matrix):
        raise NotAllowed(_("This version is in use and never changes. Make a new version and edit that."))


@transaction.atomic
def revise_matrix(matrix: Matrix, *, by: Actor) -> Matrix:
    """Copy a matrix as its next version, not offered until somebody switches it on."""
    newest = Matrix.objects.filter(team=matrix.team, key=matrix.key).aggregate(newest=Max("version"))[
        "newest"
    ]
    revised = Matrix.objects.get(pk=matrix.pk)
    revised.pk, revised._state.adding = None, True
    revised.version, revised.revision = newest + 1, 1
    revised.is_active = revised.is_default = False
    save_tracked(revised, by=by)
    for model in (MatrixStep, MatrixLevel, MatrixCell):
        copy_parts(model, "matrix", matrix, revised)
    record(Verb.CREATED, revised, by=by, changes={"copy_of": [None, reference_to(matrix)]})
    return revised


def mark_edited(matrix: Matrix, *, by: Actor) -> None:
    """Tell the processes that hold this version that its rows have changed."""
    current = Matrix.objects.select_for_update(of=("self",)).get(pk=matrix.pk)
    current.revision += 1
    save_tracked(current, by=by, fields=["revision"])


def describe_problems(problems: Iterable[Problem]) -> list[str]:
    """The broken rules of a matrix as sentences that say what to do."""
    return [_SENTENCES[problem.code]() % _where(problem) for problem in problems]


def _where(problem: Problem) -> dict[str, object]:
    axis = {"probability": _("probability"), "impact": _("impact"), None: ""}[problem.axis]
    return {
        "axis": axis,
        "index": problem.index,
        "probability": problem.probability,
        "impact": problem.impact,
    }


_SENTENCES = {
    "size": lambda: _("The axis “%(axis)s” needs 2 to 7 levels."),
    "steps": lambda: _("Number the levels of the axis “%(axis)s” 1, 2, 3 … without a gap."),
    "range_order": lambda: _("Level %(index)d of the axis “%(axis)s” must end above where it begins."),
    "range_gap": lambda: _(
        "Level %(index)d of the axis “%(axis)s” must begin where the level below it ends."
    ),
    "cell_missing": lambda: _(
        "The cell %(probability)d × %(impact)d is missing. Give it a score and a level."
    ),
    "level_unknown": lambda: _(
        "The cell %(probability)d × %(impact)d has a level that the matrix does not list."
    ),
    "level_falls": lambda: _(
        "The level falls at the cell %(probability)d × %(impact)d. It must not be lower than at a smaller "
        "probability or impact."
    ),
    "score_falls": lambda: _(
        "The score falls at the cell %(probability)d × %(impact)d. It must not be lower than at a smaller "
        "probability or impact."
    ),
    "score_level": lambda: _(
        "The cell %(probability)d × %(impact)d has a higher score than another but a lower level."
    ),
}

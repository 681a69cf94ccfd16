"""Scoring: the matrix as a field, and the form of one assessment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from risks.enums import Kind
from risks.formatting import money_range, share_range
from risks.forms.renderer import Form
from risks.models import MatrixLevel, MatrixStep, Register, Risk
from risks.quant.matrix import Cell
from risks.queries.matrix import LoadedMatrix

KIND_INITIALS = {
    Kind.INHERENT: pgettext_lazy("initial of inherent", "I"),
    Kind.RESIDUAL: pgettext_lazy("initial of residual", "R"),
    Kind.TARGET: pgettext_lazy("initial of target", "T"),
}
"""What stands in a cell for a position."""
_CELL = re.compile(r"([1-9])-([1-9])")

Place = tuple[int, int]


def cell_value(place: Place | None) -> str:
    """How a cell is written in a form: `4-3` is probability 4, impact 3."""
    return "" if place is None else f"{place[0]}-{place[1]}"


@dataclass(frozen=True)
class PickerCell:
    value: str
    score: int
    level: MatrixLevel
    name: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class PickerAxis:
    step: MatrixStep
    range: str


class CellPicker(forms.Widget):
    """A matrix of radio buttons. Set `matrix` and `register`; `positions` marks where a risk stands."""

    template_name = "risks/scoring/_picker.html"
    use_fieldset = True
    matrix: LoadedMatrix
    register: Register
    positions: Mapping[Kind, Place | None]

    def id_for_label(self, id_: str | None, index: int | None = None) -> str:
        return ""  # a label of the group is its legend

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        chosen = cell_value(value) if isinstance(value, tuple) else value
        rows = list(self._rows())
        found = [cell for _head, cells in rows for cell in cells if cell.value == chosen]
        context["widget"] |= {"rows": rows, "columns": self._columns(), "chosen": found[0] if found else None}
        return context

    def _columns(self) -> list[PickerAxis]:
        budget, currency = self.register.budget_amount, self.register.currency
        return [
            PickerAxis(step, money_range(step.low, step.high, budget, currency))
            for step in self.matrix.impacts
        ]

    def _rows(self) -> Iterator[tuple[PickerAxis, list[PickerCell]]]:
        for step, cells in self.matrix.rows:
            head = PickerAxis(step, share_range(step.low, step.high))
            yield head, [self._cell(step, cell) for cell in cells]

    def _cell(self, probability: MatrixStep, cell: Cell) -> PickerCell:
        place, level = (cell.probability, cell.impact), self.matrix.level(cell.level)
        kinds = tuple(str(KIND_INITIALS[kind]) for kind, at in self.positions.items() if at == place)
        name = f"{probability.name} × {self.matrix.impacts[cell.impact - 1].name}: {cell.score} {level.name}"
        return PickerCell(cell_value(place), cell.score, level, name, kinds)


class CellField(forms.Field):
    """A cell of a matrix: `(probability, impact)`, or None if none is chosen."""

    widget = CellPicker
    default_error_messages = {"invalid": _("Choose a cell of the matrix.")}

    def show(
        self, matrix: LoadedMatrix, register: Register, positions: Mapping[Kind, Place | None] | None = None
    ) -> None:
        """Set what the picker draws; before the form is rendered or validated."""
        self.matrix = self.widget.matrix = matrix
        self.widget.register = register
        self.widget.positions = positions or {}

    def prepare_value(self, value: Any) -> Any:
        return cell_value(value) if isinstance(value, tuple) else value

    def to_python(self, value: Any) -> Place | None:
        if value in self.empty_values:
            return None
        match = _CELL.fullmatch(str(value))
        place = (int(match[1]), int(match[2])) if match else (0, 0)
        if place not in self.matrix.grid.cells:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return place


class AssessmentForm(Form):
    """Where the risk stands for one kind, and why. `seen_rank` is the position the person looked at."""

    cell = CellField(label=_("Position"), error_messages={"required": _("Choose a cell of the matrix.")})
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"}),
        help_text=_("Needed when the level changes, and for a target worse than the risk is now."),
    )
    seen_rank = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=0)

    def __init__(self, *args: Any, risk: Risk, matrix: LoadedMatrix, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: CellField = self.fields["cell"]  # type: ignore[assignment]
        field.show(matrix, risk.register, {kind: risk.position(kind) for kind in Kind})
        field.widget.attrs["autofocus"] = True

    def see(self, rank: int) -> None:
        """Show the position as it is now beside what was chosen."""
        self.data = {**self.data.dict(), "seen_rank": str(rank)}  # type: ignore[attr-defined]  # a QueryDict

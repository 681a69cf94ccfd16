"""Matrices: axes, levels and cells on one form, saved as a whole; a version in use is only to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from risks.admin.base import ModelAdmin, ModelForm, Tracked, count_of, in_its_language, operator_of
from risks.enums import LEVEL_MARKS, Axis, Level
from risks.models import Matrix, MatrixCell, MatrixLevel, MatrixStep, Register
from risks.quant.matrix import Cell, Grid, Problem, Step, problems
from risks.queries.matrix import load_matrix
from risks.services.history import save_recorded
from risks.services.matrix import (
    check_can_edit_matrix,
    describe_problems,
    is_in_use,
    mark_edited,
    revise_matrix,
)
from risks.services.parts import parts_of

_MOST = 7  # levels of an axis
_USUAL = 5


class RowForm(ModelForm):
    """A row of the matrix; left blank, it is not there. Inputs carry their column's name as their label."""

    def __init__(self, *args: Any, place: str, **kwargs: Any) -> None:
        kwargs |= {"empty_permitted": True, "use_required_attribute": False}
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            in_its_language(field, self._meta.model._meta.get_field(name))
            field.widget.attrs["aria-label"] = f"{place}: {field.label}"

    @property
    def is_blank(self) -> bool:
        return not (self.has_changed() if self.is_bound else self.initial)


class StepForm(RowForm):
    class Meta:
        model = MatrixStep
        fields = ("name_en", "name_zh", "hint_en", "hint_zh", "low", "high")


class LevelForm(RowForm):
    class Meta:
        model = MatrixLevel
        fields = ("name_en", "name_zh", "tone", "response_en", "response_zh")


class CellForm(RowForm):
    class Meta:
        model = MatrixCell
        fields = ("score", "level")


class MatrixForm(ModelForm):
    """The matrix with all its rows.

    The rows are numbered: the first of an axis is its lowest level. The grid of cells has the size of the
    axes as typed, so that a level added shows its cells with the answer that they are missing.
    """

    class Meta:
        model = Matrix
        fields = (
            "key",
            "team",
            "name_en",
            "name_zh",
            "description_en",
            "description_zh",
            "is_active",
            "is_default",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.can_edit_rows = not (self.instance.pk and is_in_use(self.instance))

    # --- rows

    @cached_property
    def _stored(self) -> dict[str, dict[Any, models.Model]]:
        """The rows to begin with: the matrix's own, or for a new one those of the default."""
        source = self.instance if self.instance.pk else Matrix.objects.filter(team=None).first()
        steps = list(MatrixStep.objects.filter(matrix=source))
        return {
            **{axis: {step.index: step for step in steps if step.axis == axis} for axis in Axis.values},
            "level": {level.level: level for level in MatrixLevel.objects.filter(matrix=source)},
            "cell": {
                (cell.probability, cell.impact): cell for cell in MatrixCell.objects.filter(matrix=source)
            },
        }

    def _row(self, form: type[RowForm], kind: str, key: Any, place: str) -> RowForm:
        prefix = f"{kind}-{key}" if isinstance(key, int) else f"{kind}-{key[0]}-{key[1]}"
        row = None if self.is_bound else self._stored[kind].get(key)
        initial = forms.model_to_dict(row, form._meta.fields) if row else {}
        return form(self.data if self.is_bound else None, prefix=prefix, initial=initial, place=place)

    @cached_property
    def steps(self) -> dict[str, list[RowForm]]:
        return {
            axis.value: [
                self._row(StepForm, axis.value, index, f"{axis.label} {index}")
                for index in range(1, _MOST + 1)
            ]
            for axis in Axis
        }

    @cached_property
    def levels(self) -> dict[int, RowForm]:
        return {level.value: self._row(LevelForm, "level", level.value, str(level.label)) for level in Level}

    @cached_property
    def cells(self) -> dict[tuple[int, int], RowForm]:
        return {
            (p, i): self._row(CellForm, "cell", (p, i), f"{p} × {i}")
            for p in range(1, self._size(Axis.PROBABILITY) + 1)
            for i in range(1, self._size(Axis.IMPACT) + 1)
        }

    def _size(self, axis: str) -> int:
        filled = [index for index, form in enumerate(self.steps[axis], 1) if not form.is_blank]
        return max(filled, default=_USUAL)

    @property
    def axes(self) -> list[tuple[Axis, list[tuple[int, RowForm]]]]:
        """For the page: each axis with its rows and their numbers."""
        return [(axis, list(enumerate(self.steps[axis.value], 1))) for axis in Axis]

    @property
    def level_rows(self) -> list[tuple[Level, str, RowForm]]:
        return [(level, LEVEL_MARKS[level], self.levels[level.value]) for level in Level]

    @property
    def grid_rows(self) -> list[tuple[int, list[tuple[str, RowForm]]]]:
        """For the page: the highest probability on top; each cell with the colour of its level."""
        columns = range(1, self._size(Axis.IMPACT) + 1)
        return [
            (p, [(self._tone(self.cells[p, i]), self.cells[p, i]) for i in columns])
            for p in range(self._size(Axis.PROBABILITY), 0, -1)
        ]

    def _tone(self, cell: RowForm) -> str:
        level = str(cell["level"].value() or "")
        return str(self.levels[int(level)]["tone"].value() or "") if level in map(str, Level.values) else ""

    @property
    def impact_numbers(self) -> range:
        return range(1, self._size(Axis.IMPACT) + 1)

    # --- the whole

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("is_default") and not cleaned.get("is_active"):
            self.add_error("is_active", _("The default matrix has to be offered."))
        if (
            not self.instance.pk
            and Matrix.objects.filter(team=cleaned.get("team"), key=cleaned.get("key")).exists()
        ):
            self.add_error("key", _("This key is taken. Open that matrix and make a new version of it."))
        if self.can_edit_rows:
            self._clean_rows()
        return cleaned

    def _clean_rows(self) -> None:
        rows: Sequence[RowForm] = [
            *self.steps[Axis.PROBABILITY],
            *self.steps[Axis.IMPACT],
            *self.levels.values(),
            *self.cells.values(),
        ]
        if any([not row.is_valid() for row in rows]):  # noqa: C419  # every row shows its errors
            self.add_error(None, _("Mend the marked fields of the axes, levels and cells."))
            return
        found = problems(self._grid(), [key for key, form in self.levels.items() if not form.is_blank])
        if found:
            self.add_error(None, list(dict.fromkeys(describe_problems(found))))
        for problem in found:
            self._mark(problem)

    def _grid(self) -> Grid:
        def steps(axis: str) -> tuple[Step, ...]:
            filled = [(index, form) for index, form in enumerate(self.steps[axis], 1) if not form.is_blank]
            return tuple(Step(i, form.cleaned_data["low"], form.cleaned_data["high"]) for i, form in filled)

        cells = {
            (p, i): Cell(p, i, form.cleaned_data["score"], form.cleaned_data["level"])
            for (p, i), form in self.cells.items()
            if not form.is_blank
        }
        return Grid(steps(Axis.PROBABILITY), steps(Axis.IMPACT), cells)

    def _mark(self, problem: Problem) -> None:
        """Shows where the sentence on top belongs."""
        form = self.cells.get((problem.probability, problem.impact))
        if form is None and problem.axis and problem.index:
            form = self.steps[problem.axis][problem.index - 1]
        for field in form.fields.values() if form else ():
            field.widget.attrs["aria-invalid"] = "true"

    def rows(self) -> list[models.Model]:
        """The rows as typed, of a valid form whose matrix is saved."""
        found: list[models.Model] = [
            MatrixStep(matrix=self.instance, axis=axis, index=index, **form.cleaned_data)
            for axis, row_forms in self.steps.items()
            for index, form in enumerate(row_forms, 1)
            if not form.is_blank
        ]
        found += [
            MatrixLevel(matrix=self.instance, level=level, **form.cleaned_data)
            for level, form in self.levels.items()
            if not form.is_blank
        ]
        return found + [
            MatrixCell(matrix=self.instance, probability=p, impact=i, **form.cleaned_data)
            for (p, i), form in self.cells.items()
        ]


_ROW_MODELS: tuple[type[models.Model], ...] = (MatrixStep, MatrixLevel, MatrixCell)


@admin.register(Matrix)
class MatrixAdmin(Tracked, ModelAdmin):
    form = MatrixForm
    list_display = ("name_en", "name_zh", "key", "version", "is_default", "is_active", "used_by")
    list_display_links = ("name_en", "name_zh")
    list_filter = ("is_active", ("team", admin.RelatedOnlyFieldListFilter))
    search_fields = ("key", "name_en", "name_zh")
    change_form_template = "admin/risks/matrix/change_form.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name_en", "name_zh"), ("description_en", "description_zh"), ("key", "team"),
                    ("is_active", "is_default"),
                )
            },
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Matrix]:
        return super().get_queryset(request).annotate(registers_count=count_of(Register, "matrix"))

    @admin.display(description=gettext_lazy("registers"), ordering="registers_count")
    def used_by(self, matrix: Any) -> int:
        return matrix.registers_count

    @admin.display(description=gettext_lazy("registers"))
    def where_used(self, matrix: Matrix) -> str:
        registers = matrix.registers.select_related("team")
        url = "admin:risks_register_change"
        return format_html_join(
            ", ", '<a href="{}">{} · {}</a>', ((reverse(url, args=[r.pk]), r.team, r) for r in registers)
        ) or _("none yet")

    def get_readonly_fields(self, request: HttpRequest, obj: Matrix | None = None) -> tuple[str, ...]:
        """In use, only what concerns new registers can be switched."""
        if obj and is_in_use(obj):
            return ("name_en", "name_zh", "description_en", "description_zh", "key", "team", "where_used")
        return ("key", "team", "where_used") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Matrix | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, (gettext_lazy("Where used"), {"fields": ("where_used",)})] if obj else fieldsets

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        with transaction.atomic():
            matrix = self._lock(object_id) if object_id else None
            in_use = matrix is not None and is_in_use(matrix)
            if matrix and request.method == "POST" and _has_rows(request.POST):
                check_can_edit_matrix(matrix)
            may_edit = not in_use and (matrix is None or self.has_change_permission(request, matrix))
            context = {
                "in_use": in_use,
                "may_edit": may_edit,
                "loaded": None if matrix is None or may_edit else load_matrix(matrix),
            }
            return super().changeform_view(request, object_id, form_url, context | (extra_context or {}))

    def _lock(self, object_id: str) -> Matrix | None:
        """The row stays locked while it is changed, so that no register begins to use it meanwhile."""
        try:
            return Matrix.objects.select_for_update().filter(pk=unquote(object_id)).first()
        except ValueError:
            return None

    def save_model(self, request: HttpRequest, obj: Matrix, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.is_default:
            for other in Matrix.objects.filter(team=obj.team, is_default=True).exclude(pk=obj.pk):
                other.is_default = False
                save_recorded(other, by=operator_of(request, other))

    def save_parts(self, request: HttpRequest, form: Any) -> None:
        if not form.can_edit_rows:
            return
        before, rows = parts_of(form.instance), form.rows()
        for model in _ROW_MODELS:
            model._default_manager.filter(matrix=form.instance).delete()
            model._default_manager.bulk_create(row for row in rows if isinstance(row, model))
        if parts_of(form.instance) != before:
            mark_edited(form.instance, by=operator_of(request, form.instance))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.revise_view))
        return [path("<path:object_id>/revise/", view, name="risks_matrix_revise"), *super().get_urls()]

    def revise_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Copy as the next version, which is then edited."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        matrix = self.get_object(request, unquote(object_id))
        if matrix is None:
            return self.unknown(request, object_id)
        revised = revise_matrix(matrix, by=operator_of(request, matrix))
        self.log_addition(request, revised, _("A new version of %(matrix)s.") % {"matrix": matrix})
        messages.success(
            request,
            _("This is version %(version)d. It is offered for new registers once you switch it on.")
            % {"version": revised.version},
        )
        return HttpResponseRedirect(reverse("admin:risks_matrix_change", args=[revised.pk]))


def _has_rows(data: Mapping[str, Any]) -> bool:
    return any(name.startswith(("cell-", "level-", *(f"{axis}-" for axis in Axis.values))) for name in data)

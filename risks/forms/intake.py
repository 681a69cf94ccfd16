"""A new risk in one screen: its fields, positions, mitigations and indicators, filled from a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from risks.enums import BadWhen, Frequency, Kind, MitigationKind
from risks.forms.renderer import Form
from risks.forms.risk import (
    STATEMENT,
    RiskForm,
    add_errors,
    at_fields,
    fields_of_constraints,
    other_language,
    percent,
)
from risks.forms.scoring import CellField, Place, cell_value
from risks.models import Indicator, Mitigation, Register, Template, User
from risks.models.search import words
from risks.models.translated import Text, record_language
from risks.queries.library import suggested_cell
from risks.queries.matrix import LoadedMatrix
from risks.services.risk import REVIEW_AFTER

PERCENTS = ("impact_low", "impact_likely", "impact_high")

Draft = dict[str, str]
"""Values of a form as they are typed."""


class IntakeForm(RiskForm):
    """A new risk. Only a title is required."""

    register = forms.ChoiceField(label=_("Register"))
    matrix = forms.CharField(widget=forms.HiddenInput, required=False)
    template = forms.CharField(widget=forms.HiddenInput, required=False)
    inherent = CellField(label=Kind.INHERENT.label, required=False)
    residual = CellField(label=Kind.RESIDUAL.label, required=False)
    target = CellField(label=Kind.TARGET.label, required=False)
    reason = forms.CharField(
        label=_("Reason for these positions"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"}),
        help_text=_("Needed for a target worse than the residual position."),
    )

    def __init__(
        self, *args: Any, registers: Sequence[Register], register: Register, matrix: LoadedMatrix,
        suggestion: Suggestion, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **kwargs)
        self.suggestion = suggestion
        title, other = f"title_{record_language()}", f"title_{other_language()}"
        self.fields[title].required = not str(self.data.get(other, "")).strip()
        field: forms.ChoiceField = self.fields["register"]  # type: ignore[assignment]
        field.choices = [(each.key, f"{each.key}-{each.next_number} · {each.name}") for each in registers]
        self.initial.update(register=register.key, matrix=str(matrix.id))
        self.matrix_id = str(matrix.id)
        for kind in Kind:
            cell: CellField = self.fields[kind.value]  # type: ignore[assignment]
            cell.show(matrix, register)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("matrix") != self.matrix_id and any(data.get(kind.value) for kind in Kind):
            self.add_error(
                "register", _("This register uses another matrix. Look at the positions again, then save.")
            )
        for part in ("title", *STATEMENT):
            if self.suggestion.is_outdated(part, data):
                data[f"{part}_{other_language()}"] = ""
        return data

    def positions(self) -> dict[Kind, Place]:
        return {kind: self.cleaned_data[kind.value] for kind in Kind if self.cleaned_data[kind.value]}


class Row(Form):
    """A line of the new risk's form: counts if it is ticked and something is written in it."""

    main: str
    keep = forms.BooleanField(label=_("Keep"), required=False, initial=True)
    source = forms.CharField(widget=forms.HiddenInput, required=False)

    def full_clean(self) -> None:
        """A line that does not count is not checked: nothing is asked of what is thrown away."""
        super().full_clean()
        if self.is_bound and not self.counts:
            self._errors = forms.utils.ErrorDict()

    @property
    def counts(self) -> bool:
        return bool(self["keep"].data and str(self[self.main].data or "").strip())

    def check_instance(self, instance: models.Model, exclude: set[str]) -> None:
        try:
            instance.full_clean(exclude=exclude, validate_unique=False)
        except ValidationError as error:
            add_errors(self, at_fields(error, type(instance), fields_of_constraints()))


_SET_LATER = {"risk", "team", "register", "created_at", "updated_at"}


class MitigationRow(Row):
    main = "title"
    kind = forms.ChoiceField(label=_("Kind"), choices=MitigationKind.choices)
    title = forms.CharField(label=_("What is done"), required=False, max_length=300)
    trigger = forms.CharField(label=_("Trigger"), required=False, max_length=300)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.counts and not self.errors:
            texts = Text.of(data["title"]).columns("title") | Text.of(data["trigger"]).columns("trigger")
            self.check_instance(Mitigation(kind=data["kind"], **texts), _SET_LATER)
        return data


class IndicatorRow(Row):
    main = "name"
    name = forms.CharField(label=_("What is measured"), required=False, max_length=200)
    unit = forms.CharField(label=_("Unit"), required=False, max_length=30)
    bad_when = forms.ChoiceField(label=_("Direction"), choices=BadWhen.choices, initial=BadWhen.ABOVE)
    amber = forms.FloatField(label=_("Warns at"))
    red = forms.FloatField(label=_("Alarms at"))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.counts and not self.errors:
            texts = Text.of(data["name"]).columns("name") | Text.of(data["unit"]).columns("unit")
            numbers = {name: data[name] for name in ("amber", "red", "bad_when")}
            self.check_instance(Indicator(**numbers, **texts), {"risk"})
        return data


EMPTY_ROWS = 1
MitigationRows = forms.formset_factory(MitigationRow, extra=EMPTY_ROWS, max_num=50, absolute_max=50)
IndicatorRows = forms.formset_factory(IndicatorRow, extra=EMPTY_ROWS, max_num=50, absolute_max=50)


def _number(value: float) -> str:
    return f"{value:.10g}"


class Suggestion:
    """What a template writes into the forms of a new risk, as it is typed; nothing without a template."""

    def __init__(self, template: Template | None, matrix: LoadedMatrix) -> None:
        self.template = template
        self.fields: Draft = {}
        self.mitigations: list[Draft] = []
        self.indicators: list[Draft] = []
        if template:
            self._fill(template, matrix)

    def _fill(self, template: Template, matrix: LoadedMatrix) -> None:
        texts = [f"{part}_{code}" for part in ("title", *STATEMENT) for code in ("en", "zh")]
        cell = cell_value(suggested_cell(template, matrix.grid))
        as_typed = percent if template.frequency_kind == Frequency.PROBABILITY else _number_or_empty
        self.fields = {
            **{name: getattr(template, name) for name in texts},
            **{name: percent(getattr(template, name)) for name in PERCENTS},
            "place": str(template.subcategory_id or template.category_id),
            "strategy": template.strategy,
            "frequency_kind": template.frequency_kind,
            "frequency_low": as_typed(template.frequency_low),
            "frequency_high": as_typed(template.frequency_high),
            "inherent": cell,
            "residual": cell,
        }
        self.mitigations = [
            {"source": str(each.pk), "kind": each.kind, "title": each.title, "trigger": each.trigger}
            for each in template.mitigations.all()
        ]
        self.indicators = [
            {
                "source": str(each.pk), "name": each.name, "unit": each.unit, "bad_when": each.bad_when,
                "amber": _number(each.amber), "red": _number(each.red),
            }
            for each in template.indicators.all()
        ]  # fmt: skip

    def is_sought_by(self, title: str) -> bool:
        """Whether the typed title is but a few words of the template's, typed to find it."""
        if self.template is None:
            return False
        known = words(f"{self.template.title_en} {self.template.title_zh} {self.template.code}")
        return all(any(each.startswith(word) for each in known) for word in words(title))

    def is_outdated(self, part: str, values: Mapping[str, Any]) -> bool:
        """Whether the words shown were changed while those of the other language are still the template's."""
        shown, other = f"{part}_{record_language()}", f"{part}_{other_language()}"
        return not self._wrote(shown, values) and self._wrote(other, values)

    def _wrote(self, name: str, values: Mapping[str, Any]) -> bool:
        suggested = self.fields.get(name, "").replace("\r\n", "\n").strip()
        return bool(values.get(name, "") == suggested)

    def other_language(self, row: Draft, names: Sequence[str], parts: models.QuerySet[Any]) -> dict[str, str]:
        """Columns of the language not shown, while the words shown are still the template's."""
        code = other_language()
        for part in parts:
            if str(part.pk) == row["source"]:
                return {
                    f"{name}_{code}": getattr(part, f"{name}_{code}") for name in names
                    if getattr(part, name) == row[name]
                }  # fmt: skip
        return {}


def _number_or_empty(value: float | None) -> str:
    return "" if value is None else _number(value)


class Intake:
    """The forms of a new risk, as one."""

    def __init__(
        self, data: Mapping[str, Any] | None, *, suggestion: Suggestion, initial: Draft,
        rows: tuple[list[Draft], list[Draft]] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        self.suggestion = suggestion
        mitigations, indicators = rows or (suggestion.mitigations, suggestion.indicators)
        self.form = IntakeForm(data, initial=initial, suggestion=suggestion, **options)
        self.mitigations = MitigationRows(data, prefix="mitigations", initial=mitigations)
        self.indicators = IndicatorRows(data, prefix="indicators", initial=indicators)

    def is_valid(self) -> bool:
        return all([self.form.is_valid(), self.mitigations.is_valid(), self.indicators.is_valid()])

    @property
    def has_errors(self) -> bool:
        return self.form.is_bound and not self.is_valid()

    @property
    def problems(self) -> list[str]:
        """Errors that belong to no field, of the rows."""
        found: list[str] = []
        for formset in (self.mitigations, self.indicators):
            found += map(str, formset.non_form_errors())
            for row in formset.forms:
                found += map(str, row.non_field_errors())
        return found

    def values(self) -> dict[str, Any]:
        return self.form.values() | {"template": self.suggestion.template}

    def mitigation_values(self) -> list[dict[str, Any]]:
        found = []
        for row in self.mitigations.forms:
            if row.counts:
                data, template = row.cleaned_data, self.suggestion.template
                texts = Text.of(data["title"]).columns("title") | Text.of(data["trigger"]).columns("trigger")
                if template:
                    texts |= self.suggestion.other_language(
                        data, ("title", "trigger"), template.mitigations.all()
                    )
                found.append({"kind": data["kind"], **texts})
        return found

    def indicator_values(self) -> list[dict[str, Any]]:
        found = []
        for row in self.indicators.forms:
            if row.counts:
                data, template = row.cleaned_data, self.suggestion.template
                texts = Text.of(data["name"]).columns("name") | Text.of(data["unit"]).columns("unit")
                if template:
                    texts |= self.suggestion.other_language(data, ("name", "unit"), template.indicators.all())
                found.append({name: data[name] for name in ("amber", "red", "bad_when")} | texts)
        return found


def refill(typed: Draft, before: Draft, after: Draft) -> Draft:
    """The typed values; what was empty or came from the template before gives way to the new template's."""
    kept = {name: value for name, value in typed.items() if value and value != before.get(name, "")}
    return {**typed, **dict.fromkeys(before, ""), **after, **kept}


def typed_rows(formset: Any, before: Sequence[Draft]) -> list[Draft]:
    """Rows of a bound formset that somebody wrote or changed, as typed."""
    rows = [
        {name: str(row[name].data or "") for name in row.fields if name != "keep"}
        for row in formset.forms
        if row.counts
    ]
    return [row for row in rows if row not in before]


def new_risk_draft(owner: User) -> Draft:
    """What is filled in before anybody types."""
    return {
        "owner": str(owner.pk),
        "next_review_date": (timezone.localdate() + REVIEW_AFTER).isoformat(),
        "frequency_kind": Frequency.PROBABILITY.value,
    }

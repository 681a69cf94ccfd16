"""Forms of one risk: its fields, its moves and its indicators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.enums import MANAGERS, Frequency, Strategy
from risks.forms.merge import MergeForm
from risks.forms.renderer import Form, StyledMixin
from risks.models import Category, Indicator, Risk, Team, User
from risks.models.translated import record_language
from risks.queries.people import active_members, who_may_own
from risks.rules import Move
from risks.services.risk import EDITABLE_FIELDS

STATEMENT = ("cause", "event", "consequence")
LABELS = {"title": _("Title"), "cause": _("Cause"), "event": _("Event"), "consequence": _("Consequence")}
ACCEPTED_FOR = timedelta(days=90)
"""What the form of an acceptance offers as its end."""
LARGEST = 1_000_000
"""Largest frequency or impact that can be typed; beyond it there is no risk to reckon with, only a slip."""


# --- messages at the field at fault


def at_fields(error: Any, model: type[models.Model], fields: Mapping[str, str]) -> Any:
    """Errors of an instance, with those of constraints at the field that `fields` names for the constraint.

    Any other error is left as it is.
    """
    if not hasattr(error, "error_dict"):
        return error
    found: dict[str, list[Any]] = {}
    places = {
        constraint.get_violation_error_message(): fields[constraint.name]
        for constraint in model._meta.constraints
        if constraint.name in fields
    }
    for name, errors in error.update_error_dict({}).items():
        for each in errors:
            place = next((places[text] for text in each.messages if text in places), name)
            found.setdefault(place, []).append(each)
    return ValidationError(found)


def add_errors(form: forms.BaseForm, error: ValidationError) -> None:
    """Put errors of a model at the form's fields of the same name, the rest above the form."""
    for name, errors in error.update_error_dict({}).items():
        form.add_error(name if name in form.fields else None, errors)


def fields_of_constraints() -> dict[str, str]:
    return {
        "risks_risk_has_title": f"title_{record_language()}",
        "risks_risk_frequency_range": "frequency_low",
        "risks_risk_probability_share": "frequency_high",
        "risks_risk_impact_range": "impact_low",
        "risks_mitigation_has_title": "title",
        "risks_mitigation_has_trigger": "trigger",
        "risks_indicator_has_name": "name",
        "risks_indicator_thresholds": "red",
    }


# --- fields


class TextField(forms.CharField):
    """Several lines, their ends counted and kept as one character, not as the two that a browser sends."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["widget"] = forms.Textarea(attrs={"rows": 3, "dir": "auto"})
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


def percent(value: float | None) -> str:
    """A share as it is typed: 0.034 is 3.4."""
    return "" if value is None else f"{value * 100:.6g}"


class NumberField(forms.FloatField):
    """A number that can be meant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=LARGEST, **kwargs)


class PercentField(NumberField):
    """A share, typed as a percentage."""

    def prepare_value(self, value: Any) -> Any:
        return percent(value) if isinstance(value, float | int) else value

    def clean(self, value: Any) -> float | None:
        number = super().clean(value)
        return None if number is None else round(number / 100, 12)


class PlaceField(forms.ChoiceField):
    """A category or one of its subcategories in one list; the value is its id, or None."""

    def show(self, categories: Sequence[Category]) -> None:
        """Offer these categories, with their subcategories."""
        self.found = {str(category.pk): category for category in categories}
        groups = [
            (top.name, [(str(top.pk), top.name)] + [
                (str(sub.pk), f"{top.name} › {sub.name}") for sub in categories if sub.parent_id == top.pk
            ])
            for top in categories if top.parent_id is None
        ]  # fmt: skip
        self.choices = [("", _("No category yet")), *groups]

    def places(self, value: str) -> tuple[Category | None, Category | None]:
        """Category and subcategory."""
        chosen = self.found.get(value)
        if chosen is None or chosen.parent_id is None:
            return chosen, None
        return self.found[str(chosen.parent_id)], chosen


# --- the risk


def other_language() -> str:
    """Suffix of the columns that the reader's language does not prefer."""
    return "en" if record_language() == "zh" else "zh"


class RiskForm(StyledMixin, forms.ModelForm):
    """All that can be edited of a risk; the reader's language first, the other one beside it."""

    place = PlaceField(label=_("Category"), required=False)
    owner = forms.ModelChoiceField(
        User.objects.none(), label=_("Owner"), required=False, empty_label=_("Nobody yet")
    )
    impact_low = PercentField(label=_("Impact from, %"), required=False)
    impact_likely = PercentField(label=_("Most likely, %"), required=False)
    impact_high = PercentField(label=_("Impact to, %"), required=False)
    frequency_low = NumberField(label=_("Frequency from"), required=False)
    frequency_high = NumberField(label=_("Frequency to"), required=False)

    class Meta:
        model = Risk
        fields = [name for name in EDITABLE_FIELDS if name not in ("category", "subcategory")]
        field_classes = {f"{part}_{code}": TextField for part in STATEMENT for code in ("en", "zh")}
        widgets = {"next_review_date": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})}

    def __init__(self, *args: Any, team: Team, categories: Sequence[Category], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        place: PlaceField = self.fields["place"]  # type: ignore[assignment]
        place.show(categories)
        owner: forms.ModelChoiceField = self.fields["owner"]  # type: ignore[assignment]
        owner.queryset = who_may_own(team.pk, self.instance.owner_id)
        strategy: forms.ChoiceField = self.fields["strategy"]  # type: ignore[assignment]
        strategy.choices = [("", _("None yet")), *Strategy.choices]
        self._name_languages()
        if self.instance.pk:
            self.initial["place"] = str(self.instance.subcategory_id or self.instance.category_id or "")
            if self.instance.frequency_kind == Frequency.PROBABILITY:
                for name in ("frequency_low", "frequency_high"):
                    self.initial[name] = percent(self.initial[name])
        self.style_widgets()

    def _name_languages(self) -> None:
        for part, label in LABELS.items():
            self.fields[f"{part}_{record_language()}"].label = label
            self.fields[f"{part}_zh"].widget.attrs["lang"] = "zh-hans"
            self.fields[f"{part}_en"].widget.attrs["lang"] = "en"
        for code in ("en", "zh"):
            self.fields[f"title_{code}"].widget.attrs["dir"] = "auto"

    @property
    def other_language(self) -> list[forms.BoundField]:
        """The fields of the language that the reader does not read."""
        return [self[f"{part}_{other_language()}"] for part in ("title", *STATEMENT)]

    @property
    def title(self) -> forms.BoundField:
        return self[f"title_{record_language()}"]

    @property
    def statement(self) -> list[forms.BoundField]:
        return [self[f"{part}_{record_language()}"] for part in STATEMENT]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        place: PlaceField = self.fields["place"]  # type: ignore[assignment]
        data["category"], data["subcategory"] = place.places(data.get("place", ""))
        self.instance.category, self.instance.subcategory = data["category"], data["subcategory"]
        if data.get("frequency_kind") == Frequency.PROBABILITY:
            for name in ("frequency_low", "frequency_high"):
                if data.get(name) is not None:
                    data[name] = round(data[name] / 100, 12)
        return data

    def add_error(self, field: str | None, error: Any) -> None:
        if field is None:
            error = at_fields(error, Risk, fields_of_constraints())
        super().add_error("place" if field == "subcategory" else field, error)

    def values(self) -> dict[str, Any]:
        """The editable fields of the risk."""
        return {name: self.cleaned_data[name] for name in EDITABLE_FIELDS}


class RiskUpdateForm(MergeForm, RiskForm):
    """Editing a risk that others may be editing too."""

    together = (("frequency_kind", "frequency_low", "frequency_high"),
                ("impact_low", "impact_likely", "impact_high"))  # fmt: skip
    sources = {"category": "place", "subcategory": "place"}


# --- moves and indicators


class MoveForm(Form):
    """What a move demands."""

    approver = forms.ModelChoiceField(
        User.objects.none(), label=_("Approved by"), required=False,
        error_messages={"required": _("Say who approves the acceptance.")},
    )  # fmt: skip
    until = forms.DateField(
        label=_("Until"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text=_("The day after, the risk is open again and due for review."),
        error_messages={"required": _("An acceptance needs an end date; after it the risk is open again.")},
    )  # fmt: skip
    reason = forms.CharField(
        label=_("Reason"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
        help_text=_("It stays with the risk."),
        error_messages={"required": _("Give a reason; it stays with the risk.")},
    )  # fmt: skip

    def __init__(self, *args: Any, move: Move, team: Team, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = move.needs_reason
        if move.needs_approval:
            approver: forms.ModelChoiceField = self.fields["approver"]  # type: ignore[assignment]
            approver.queryset = active_members(team, MANAGERS)
            self.fields["until"].initial = today + ACCEPTED_FOR
            self.fields["until"].widget.attrs["min"] = (today + timedelta(days=1)).isoformat()
            self.fields["approver"].required = self.fields["until"].required = True
        else:
            del self.fields["approver"], self.fields["until"]


class IndicatorForm(MergeForm):
    together = (("bad_when", "amber", "red"),)

    class Meta:
        model = Indicator
        fields = ["name_en", "name_zh", "unit_en", "unit_zh", "bad_when", "amber", "red"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[f"name_{record_language()}"].label = _("What is measured")
        self.fields[f"unit_{record_language()}"].label = _("Unit")
        self.style_widgets()

    def add_error(self, field: str | None, error: Any) -> None:
        if field is None:
            fields = fields_of_constraints() | {"risks_indicator_has_name": f"name_{record_language()}"}
            error = at_fields(error, Indicator, fields)
        super().add_error(field, error)

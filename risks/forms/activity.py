"""What the activity is narrowed to, as its address says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from risks.enums import Verb
from risks.forms.renderer import Form
from risks.models import User
from risks.queries.activity import kind_label
from risks.queries.trail import SYSTEM, Mark, Wanted

TYPES = (
    "risk", "mitigation", "indicator", "comment", "attachment", "register", "team", "membership",
    "invitation", "user", "category", "template", "matrix",
)  # fmt: skip
_YEARS = [MinValueValidator(date(1970, 1, 2)), MaxValueValidator(date(9998, 12, 31))]


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class MarkField(forms.CharField):
    widget = forms.HiddenInput

    def clean(self, value: Any) -> Mark | None:
        text = super().clean(value)
        mark = Mark.read(text) if text else None
        if text and mark is None:
            raise forms.ValidationError(_("There is no such place in the activity."))
        return mark


class ActivityForm(Form):
    """Every field may be absent. What does not validate leaves no lines."""

    person = forms.ChoiceField(label=_("Person"), required=False)
    act = forms.ChoiceField(label=_("Act"), required=False)
    type = forms.ChoiceField(label=_("About"), required=False)
    from_date = forms.DateField(label=_("From"), required=False, widget=DayInput, validators=_YEARS)
    to_date = forms.DateField(label=_("To"), required=False, widget=DayInput, validators=_YEARS)
    before = MarkField(required=False)
    after = MarkField(required=False)

    def __init__(self, data: QueryDict, *, people: Iterable[User]) -> None:
        super().__init__(data, auto_id="activity-%s")
        fields: Any = self.fields
        fields["person"].choices = [
            ("", _("Everybody")),
            (SYSTEM, _("The system")),
            *((str(person.pk), str(person)) for person in people),
        ]
        acts = sorted(((verb.value, str(verb.label)) for verb in Verb), key=lambda pair: pair[1])
        fields["act"].choices = [("", _("Every act")), *acts]
        fields["type"].choices = [("", _("Everything")), *((name, kind_label(name)) for name in TYPES)]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("from_date"), cleaned.get("to_date")
        if first and last and last < first:
            self.add_error("to_date", _("The last day lies before the first."))
        return cleaned

    @property
    def narrowing(self) -> list[str]:
        """Names of the fields in use that narrow the lines."""
        return [name for name in ("person", "act", "type", "from_date", "to_date") if self.data.get(name)]

    @property
    def wanted(self) -> Wanted:
        given = self.cleaned_data
        return Wanted(**{name: given[name] for name in ("person", "act", "type", "from_date", "to_date")})

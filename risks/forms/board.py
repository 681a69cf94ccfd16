"""What the matrix page is asked for in its address."""

from __future__ import annotations

import datetime

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from risks.enums import Kind
from risks.forms.renderer import Form
from risks.models import User
from risks.queries.heat_map import Narrowing
from risks.queries.risk_list import Options

ME = "me"


class MatrixForm(Form):
    """Which position, of which risks, on which day. Empty parameters count as absent.

    The user's own id as the owner counts as "me".
    """

    kind = forms.ChoiceField(label=_("Position"), choices=Kind.choices, required=False)
    category = forms.ChoiceField(label=_("Category"), required=False)
    owner = forms.ChoiceField(label=_("Owner"), required=False)
    date = forms.DateField(label=_("As it was on"), required=False, input_formats=["%Y-%m-%d"])
    arrows = forms.BooleanField(
        label=_("Arrows from inherent to residual"),
        required=False,
        widget=forms.CheckboxInput(attrs={"value": "1"}),
    )

    def __init__(self, data: QueryDict, *, options: Options, user: User, today: datetime.date) -> None:
        if data.get("owner") == str(user.pk):
            data = data.copy()
            data["owner"] = ME
        super().__init__(data, auto_id="matrix-%s")
        self.options, self.user, self.today = options, user, today
        categories: forms.ChoiceField = self.fields["category"]  # type: ignore[assignment]
        owners: forms.ChoiceField = self.fields["owner"]  # type: ignore[assignment]
        categories.choices = [
            ("", _("All categories")),
            *((each.key, each.name) for each, _children in options.tree),
        ]
        owners.choices = [
            ("", _("All owners")),
            (ME, _("Me")),
            *((str(pk), str(person)) for pk, person in options.people.items() if pk != user.pk),
        ]

    def clean_kind(self) -> Kind:
        return Kind(self.cleaned_data["kind"] or Kind.RESIDUAL)

    def clean_date(self) -> datetime.date | None:
        day: datetime.date | None = self.cleaned_data["date"]
        if day and day > self.today:
            raise forms.ValidationError(_("Choose a day that is over."))
        return day if day != self.today else None

    def narrowing(self) -> Narrowing:
        category, owner = self.cleaned_data["category"], self.cleaned_data["owner"]
        return Narrowing(
            next((each for each, _children in self.options.tree if each.key == category), None),
            self.user if owner == ME else self.options.people.get(int(owner or 0)),
        )

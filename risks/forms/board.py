"""What the matrix page is asked for in its address."""

from __future__ import annotations

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
    """Which position, of which risks. Empty parameters count as absent.

    The user's own id as the owner counts as "me".
    """

    kind = forms.ChoiceField(label=_("Position"), choices=Kind.choices, required=False)
    category = forms.ChoiceField(label=_("Category"), required=False)
    owner = forms.ChoiceField(label=_("Owner"), required=False)
    arrows = forms.BooleanField(
        label=_("Arrows from inherent to residual"),
        required=False,
        widget=forms.CheckboxInput(attrs={"value": "1"}),
    )

    def __init__(self, data: QueryDict, *, options: Options, user: User) -> None:
        if data.get("owner") == str(user.pk):
            data = data.copy()
            data["owner"] = ME
        super().__init__(data, auto_id="matrix-%s")
        self.options, self.user = options, user
        categories: forms.ChoiceField = self.fields["category"]  # type: ignore[assignment]
        owners: forms.ChoiceField = self.fields["owner"]  # type: ignore[assignment]
        categories.choices = [
            ("", _("All categories")),
            *((each.key, each.name) for each, _children in options.tree),
        ]
        owners.choices = [
            ("", _("All owners")),
            (ME, _("Me")),
            *(
                (str(pk), str(person))
                for pk, person in options.people_with([data.get("owner")]).items()
                if pk != user.pk
            ),
        ]

    def clean_kind(self) -> Kind:
        return Kind(self.cleaned_data["kind"] or Kind.RESIDUAL)

    def narrowing(self) -> Narrowing:
        category, owner = self.cleaned_data["category"], self.cleaned_data["owner"]
        return Narrowing(
            next((each for each, _children in self.options.tree if each.key == category), None),
            self.user if owner == ME else self.options.everybody.get(int(owner or 0)),
        )

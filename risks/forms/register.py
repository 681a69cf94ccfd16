"""The form of a register."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from risks.forms.merge import MergeForm
from risks.forms.renderer import Form
from risks.models import Matrix, Register, Team


class RegisterForm(MergeForm):
    together = (("budget_amount", "currency"),)

    class Meta:
        model = Register
        fields = [
            "key", "name_en", "name_zh", "matrix", "budget_amount", "currency",
            "description_en", "description_zh",
        ]  # fmt: skip
        widgets = {
            "description_en": forms.Textarea(attrs={"rows": 3}),
            "description_zh": forms.Textarea(attrs={"rows": 3, "lang": "zh-hans"}),
            "name_zh": forms.TextInput(attrs={"lang": "zh-hans"}),
        }

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.team = team
        matrices: forms.ModelChoiceField = self.fields["matrix"]  # type: ignore[assignment]
        matrices.queryset = Matrix.objects.available_to(team)
        if self.instance.pk:
            del self.fields["key"]
            matrices.queryset = matrices.queryset | Matrix.objects.filter(pk=self.instance.matrix_id)
        else:
            self.initial.setdefault("matrix", matrices.queryset.first())
        self.style_widgets()


class RemoveForm(Form):
    """The key, typed by hand, so that nobody removes a register in passing."""

    key = forms.CharField(
        label=_("Key of the register"),
        max_length=20,
        strip=True,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )

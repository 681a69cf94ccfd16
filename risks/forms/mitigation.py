"""The form of a mitigation. The reader's language first, the other one beside it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from risks.enums import MitigationState
from risks.forms.merge import MergeForm
from risks.forms.renderer import Form
from risks.forms.risk import at_fields
from risks.models import Mitigation, Register
from risks.models.translated import record_language
from risks.queries.people import who_may_own
from risks.services.mitigation import EDITABLE_FIELDS


def _fields_of_constraints() -> dict[str, str]:
    return {
        "risks_mitigation_has_title": f"title_{record_language()}",
        "risks_mitigation_has_trigger": f"trigger_{record_language()}",
        "risks_mitigation_due_after_start": "due_date",
        "risks_mitigation_progress": "progress",
        "risks_mitigation_cost": "cost_amount",
    }


class MitigationForm(MergeForm):
    """A new mitigation, or changes to one that others may be changing too."""

    together = (("state", "progress"),)

    class Meta:
        model = Mitigation
        fields = EDITABLE_FIELDS
        labels = {"owner": _("Owner"), "progress": _("Progress, %")}
        help_texts = {
            "trigger_en": _("What has to happen to start it."),
            "trigger_zh": _("What has to happen to start it."),
        }
        widgets = {
            name: forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
            for name in ("start_date", "due_date")
        }

    def __init__(self, *args: Any, register: Register, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "mitigation-%s"
        owner: forms.ModelChoiceField = self.fields["owner"]  # type: ignore[assignment]
        owner.queryset = who_may_own(register.team_id, self.instance.owner_id)
        owner.empty_label = str(_("Nobody yet"))
        self.fields["cost_amount"].label = _("Cost (%(currency)s)") % {"currency": register.currency}
        self.fields["progress"].required = False
        self.fields["progress"].widget.attrs.update(min=0, max=100, step=5)
        labels = {"title": _("What is done"), "trigger": _("Trigger")}
        for name, label in labels.items():
            self.fields[f"{name}_{record_language()}"].label = label
            self.fields[f"{name}_zh"].widget.attrs["lang"] = "zh-hans"
            self.fields[f"{name}_en"].widget.attrs["lang"] = "en"
        self.title.field.widget.attrs |= {"data-autofocus": True, "dir": "auto"}
        self.style_widgets()

    @property
    def title(self) -> forms.BoundField:
        return self[f"title_{record_language()}"]

    @property
    def trigger(self) -> forms.BoundField:
        return self[f"trigger_{record_language()}"]

    @property
    def other_language(self) -> list[forms.BoundField]:
        code = "en" if record_language() == "zh" else "zh"
        return [self[f"title_{code}"], self[f"trigger_{code}"]]

    @property
    def rest(self) -> list[forms.BoundField]:
        return [
            self[name] for name in ("owner", "state", "progress", "start_date", "due_date", "cost_amount")
        ]

    def clean_progress(self) -> int:
        return self.cleaned_data["progress"] or 0

    def _update_errors(self, errors: ValidationError) -> None:
        """What the model and its constraints refuse, beside the field at fault."""
        placed = at_fields(errors, Mitigation, _fields_of_constraints())
        super()._update_errors(placed)  # type: ignore[misc]  # django-stubs does not know it

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in EDITABLE_FIELDS}


class StateForm(Form):
    """The next state of a mitigation, and the version that the person saw."""

    state = forms.ChoiceField(choices=MitigationState.choices)
    version = forms.IntegerField(min_value=0)

"""The form that asks which report: register, month, language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from risks import formatting
from risks.forms.renderer import Form
from risks.models import Register
from risks.queries.movement import first_months, months_since


class ReportForm(Form):
    """Offers the months since the first risk of the register, or of any of them while none is chosen."""

    register = forms.ChoiceField(label=_("Register"), error_messages={"required": _("Choose a register.")})
    month = forms.ChoiceField(label=_("Month"), error_messages={"required": _("Choose a month.")})
    language = forms.ChoiceField(
        label=_("Language"),
        choices=settings.LANGUAGES,
        help_text=_("Texts that exist in one language only are printed in that one."),
    )

    def __init__(
        self, *args: Any, registers: Sequence[Register], chosen: Register | None, today: date, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.registers = {register.key: register for register in registers}
        self.today = today
        self.first = first_months(registers)
        register, month = self.fields["register"], self.fields["month"]
        assert isinstance(register, forms.ChoiceField)  # noqa: S101
        assert isinstance(month, forms.ChoiceField)  # noqa: S101
        register.choices = [(key, str(register)) for key, register in self.registers.items()]
        first = self.first.get(chosen.pk) if chosen else min(self.first.values(), default=None)
        months = months_since(first, today)
        month.choices = [(f"{month:%Y-%m}", formatting.month(month)) for month in months]
        month.error_messages["invalid_choice"] = self._range(months)

    @staticmethod
    def _range(months: Sequence[date]) -> str:
        return _("Reports can be made of the months from %(first)s to %(last)s.") % {
            "first": formatting.month(months[-1]),
            "last": formatting.month(months[0]),
        }

    def clean_month(self) -> date:
        """The month's first day, checked against the register it is asked of."""
        month = date.fromisoformat(f"{self.cleaned_data['month']}-01")
        register = self.registers.get(self.cleaned_data.get("register", ""))
        if register:
            months = months_since(self.first.get(register.pk), self.today)
            if month not in months:
                raise forms.ValidationError(self._range(months))
        return month

    @property
    def chosen_register(self) -> Register:
        """Of a valid form."""
        return self.registers[self.cleaned_data["register"]]

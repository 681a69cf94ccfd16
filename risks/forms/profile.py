"""What people choose for themselves: name, language, clock, look, and what reaches them by mail."""

from __future__ import annotations

from datetime import time
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.formats import time_format
from django.utils.translation import gettext_lazy as _

from risks.enums import Delivery, NoticeKind, Theme
from risks.forms.renderer import Form
from risks.models import User
from risks.services.delivery import delivery_of

COMMON_ZONES = {
    "Asia/Shanghai": _("Beijing, Shanghai"),
    "Asia/Hong_Kong": _("Hong Kong"),
    "Asia/Taipei": _("Taipei"),
    "Asia/Singapore": _("Singapore"),
    "Asia/Tokyo": _("Tokyo"),
    "Asia/Seoul": _("Seoul"),
    "Asia/Kolkata": _("Delhi, Mumbai"),
    "Asia/Dubai": _("Dubai"),
    "Europe/Moscow": _("Moscow"),
    "Europe/Berlin": _("Berlin, Paris, Madrid"),
    "Europe/London": _("London"),
    "UTC": _("Universal time (UTC)"),
    "America/Sao_Paulo": _("São Paulo"),
    "America/New_York": _("New York"),
    "America/Chicago": _("Chicago"),
    "America/Denver": _("Denver"),
    "America/Los_Angeles": _("Los Angeles"),
    "Australia/Sydney": _("Sydney"),
}


@cache
def _zones() -> list[str]:
    """Every zone that people live in, by its name in the database of time zones."""
    return sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))


def zone_choices() -> list[tuple[str, Any]]:
    common = [(zone, f"{label}") for zone, label in COMMON_ZONES.items()]
    every = [(zone, zone.replace("_", " ")) for zone in _zones() if zone not in COMMON_ZONES]
    usual = _("As this site: %(zone)s") % {"zone": settings.TIME_ZONE}
    return [("", usual), (str(_("Often chosen")), common), (str(_("All time zones")), every)]


def hour_choices() -> list[tuple[int, str]]:
    return [(hour, time_format(time(hour), "H:i")) for hour in range(24)]


class ProfileForm(Form):
    """A field that is not sent stays as it is."""

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("As you write it."))
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("As the browser asks")), *settings.LANGUAGES],
    )
    theme = forms.ChoiceField(label=_("Theme"), choices=Theme.choices)
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, choices=zone_choices)
    digest_hour = forms.TypedChoiceField(
        label=_("Hour of the daily mail"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=hour_choices,
        help_text=_("By the clock of your time zone. No mail goes out on days without anything new."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        initial = {
            name: getattr(user, name) for name in ("name", "language", "theme", "time_zone", "digest_hour")
        }
        super().__init__(*args, initial=initial, **kwargs)
        for kind in NoticeKind:
            self.fields[_field(kind)] = forms.ChoiceField(
                label=kind.label,
                required=False,
                choices=Delivery.choices,
                initial=delivery_of(user, kind),
                widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
            )

    @property
    def kinds(self) -> list[forms.BoundField]:
        """One row of the table for each kind of notice."""
        return [self[_field(kind)] for kind in NoticeKind]

    def values(self) -> dict[str, Any]:
        """Columns of the person that were sent."""
        data = self.cleaned_data
        sent = [name for name in ("name", "language", "theme", "time_zone") if name in self.data]
        values = {name: data[name] for name in sent}
        if data["digest_hour"] is not None:
            values["digest_hour"] = data["digest_hour"]
        chosen = {kind.value: data[_field(kind)] for kind in NoticeKind if data[_field(kind)]}
        return values | {"delivery": self.user.delivery | chosen}


def _field(kind: NoticeKind) -> str:
    return f"delivery_{kind.value}"

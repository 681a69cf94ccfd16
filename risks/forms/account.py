"""Forms of people: profile, and the first set-up of an empty installation."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as accounts
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from risks.enums import Theme
from risks.forms.renderer import Form, StyledMixin
from risks.models import User
from risks.models.translated import Text


class _Styled(StyledMixin):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.style_widgets()


class LoginForm(_Styled, accounts.LoginForm):
    """allauth's, in our look."""


class ChangePasswordForm(_Styled, accounts.ChangePasswordForm):
    """allauth's, in our look."""


class ResetPasswordForm(_Styled, accounts.ResetPasswordForm):
    """allauth's, in our look."""


class ProfileForm(Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("As you write it."))
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("As the browser asks")), *settings.LANGUAGES],
    )
    theme = forms.ChoiceField(label=_("Theme"), choices=Theme.choices)


class SetupForm(Form):
    """The first account, team and register of an empty installation."""

    code = forms.CharField(
        label=_("Set-up code"), help_text=_("The console printed it when the server started."), max_length=200
    )
    name = forms.CharField(label=_("Your name"), max_length=100)
    email = forms.EmailField(label=_("Your e-mail address"), max_length=254)
    password = forms.CharField(
        label=_("Password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=True),
        help_text=_("At least 10 characters, not a common password."),
    )
    team_name = forms.CharField(label=_("Name of your team"), max_length=100)
    team_slug = forms.SlugField(
        label=_("Short name of the team"),
        max_length=40,
        required=False,
        help_text=_("Stands in addresses, such as acme. Empty: made from the name."),
    )
    register_name = forms.CharField(label=_("Name of the first register"), max_length=100)
    register_key = forms.RegexField(
        label=_("Its key"),
        regex=r"^[A-Z][A-Z0-9]{1,9}\Z",
        help_text=_("Begins the code of every risk, such as VOICE-12. It cannot be changed later."),
        error_messages={"invalid": _("Use 2 to 10 capital letters or digits, such as VOICE.")},
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        password, email = data.get("password"), data.get("email", "")
        if password:
            try:
                validate_password(password, User(email=email, name=data.get("name", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        data["team_slug"] = data.get("team_slug") or slugify(data.get("team_name", ""))[:40] or "team"
        return data

    def values(self) -> dict[str, Any]:
        """Arguments of `set_up_installation`, but for the matrix of the register."""
        data = self.cleaned_data
        return {
            "code": data["code"],
            "name": data["name"],
            "email": data["email"],
            "password": data["password"],
            "team": {"slug": data["team_slug"], **Text.of(data["team_name"]).columns("name")},
            "register": {"key": data["register_key"], **Text.of(data["register_name"]).columns("name")},
        }

"""Forms of people: profile, and the first set-up of an empty installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from allauth.account import forms as accounts
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as BaseReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

from risks.enums import Theme
from risks.forms.renderer import Form, StyledMixin
from risks.models import User
from risks.models.translated import Text
from risks.services.accounts import settle_address

PASSWORD_HINT = _("At least 10 characters, not a common password.")


class _Styled(StyledMixin):
    """A form of allauth's in our look: our labels, no placeholder that repeats them."""

    labels: ClassVar[dict[str, Any]] = {
        "login": _("E-mail address"),
        "email": _("E-mail address"),
        "password": _("Password"),
        "code": _("One-time code"),
        "name": _("Name"),
    }
    hints: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = self.labels.get(name, field.label)
            field.help_text = self.hints.get(name, "")
            field.widget.attrs.pop("placeholder", None)
            if isinstance(field, forms.EmailField):  # allauth's lets through more than a column holds
                field.validators.append(MaxLengthValidator(254))
        self.style_widgets()


class _NewPassword(_Styled):
    labels = _Styled.labels | {
        "oldpassword": _("Present password"),
        "password1": _("New password"),
        "password2": _("New password, again"),
    }
    hints: ClassVar[dict[str, Any]] = {"password1": PASSWORD_HINT}


class LoginForm(_Styled, accounts.LoginForm):
    pass


class SignupForm(_Styled, accounts.SignupForm):
    labels = _Styled.labels | {"name": _("Your name"), "password1": _("Password")}
    hints: ClassVar[dict[str, Any]] = {"name": _("As you write it."), "password1": PASSWORD_HINT}
    name = forms.CharField(max_length=100)
    field_order = ("name", "email", "password1")

    def try_save(self, request: Any) -> Any:
        """For a known address as much work as for a new one, so that the time tells nothing."""
        if self.account_already_exists:
            User().set_password(self.cleaned_data["password1"])
        return super().try_save(request)


class AddressForm(_Styled, accounts.AddEmailForm):
    labels = _Styled.labels | {"email": _("New address")}


class ChangePasswordForm(_NewPassword, accounts.ChangePasswordForm):
    pass


class SetPasswordForm(_NewPassword, accounts.SetPasswordForm):
    pass


class NewPasswordForm(_NewPassword, accounts.ResetPasswordKeyForm):
    pass


class ResetPasswordForm(_Styled, accounts.ResetPasswordForm):
    def clean_email(self) -> str:
        email: str = super().clean_email()
        for user in self.users:
            settle_address(user)
        return email


class ReauthenticateForm(_Styled, accounts.ReauthenticateForm):
    pass


class _CodeOnce:
    """Refuses a code of an authenticator app the second time, for as long as it would be right."""

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        factor: Authenticator | None = getattr(self, "authenticator", None)  # none before the first code
        if factor and factor.type != Authenticator.Type.TOTP:
            return code
        seconds = settings.MFA_TOTP_TOLERANCE * 2 * 30 + 30
        if not cache.add(f"code:{self.user.pk}:{code}", 1, seconds):  # type: ignore[attr-defined]
            raise get_adapter().validation_error("incorrect_code")
        return code


class CodeForm(_CodeOnce, _Styled, AuthenticateForm):
    pass


class ReauthenticateCodeForm(_CodeOnce, _Styled, BaseReauthenticateForm):
    pass


class ActivateAppForm(_CodeOnce, _Styled, ActivateTOTPForm):
    labels = _Styled.labels | {"code": _("Code that the app shows")}


class _Answer:
    """What a device answers. Anything may be sent in its place, and the library says so in many ways."""

    cleaned_data: dict[str, Any]

    def clean(self) -> Any:
        return self._understood(super().clean)  # type: ignore[misc]

    def clean_credential(self) -> Any:
        return self._understood(getattr(super(), "clean_credential", lambda: self.cleaned_data["credential"]))

    def _understood(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise forms.ValidationError(
                _("The answer of the device was not understood. Try again."), code="incorrect_code"
            ) from error


class PasskeyForm(_Answer, AuthenticateWebAuthnForm):
    pass


class PasskeySignInForm(_Answer, LoginWebAuthnForm):
    pass


class PasskeyProofForm(_Answer, ReauthenticateWebAuthnForm):
    pass


class AddPasskeyForm(_Styled, _Answer, AddWebAuthnForm):
    labels = _Styled.labels | {
        "name": _("What to call it"),
        "passwordless": _("Sign in with it alone, without the password"),
    }
    hints: ClassVar[dict[str, Any]] = {
        "name": _("Such as the name of the device, so that you know it again."),
        "passwordless": _("Asks for your PIN, fingerprint or face each time. Off: only beside the password."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].validators.append(MaxLengthValidator(100))
        self.fields["passwordless"].initial = True


class RenamePasskeyForm(_Styled, EditWebAuthnForm):
    labels = _Styled.labels | {"name": _("What to call it")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].validators.append(MaxLengthValidator(100))


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
        help_text=PASSWORD_HINT,
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

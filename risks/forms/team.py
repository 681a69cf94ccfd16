"""Forms of a team's settings, of invitations and of joining."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from risks.enums import Role
from risks.exceptions import DomainError
from risks.forms.renderer import Form
from risks.models import Membership, User
from risks.models.translated import Text
from risks.queries.people import successors
from risks.services.invitation import split_addresses

ADDRESSES_LENGTH = 20_000


class TeamForm(Form):
    """Names of a team, and what it demands of its members."""

    name_en = forms.CharField(label=_("Name (English)"), max_length=100, required=False)
    name_zh = forms.CharField(label=_("Name (Chinese)"), max_length=100, required=False)
    requires_second_factor = forms.BooleanField(
        label=_("Demand a second factor"),
        required=False,
        help_text=_("Members without one set it up before they see anything of the team."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name_zh"].widget.attrs["lang"] = "zh-hans"


class NewTeamForm(Form):
    name = forms.CharField(label=_("Name of the team"), max_length=100)
    slug = forms.SlugField(
        label=_("Short name of the team"),
        max_length=40,
        required=False,
        help_text=_("Stands in addresses, such as acme. Empty: made from the name."),
    )

    def values(self) -> dict[str, Any]:
        """What `services.team.create_team` takes."""
        data = self.cleaned_data
        return {"slug": data["slug"], **Text.of(data["name"]).columns("name")}


class RoleForm(Form):
    """The role of one member, chosen in the list."""

    role = forms.ChoiceField(label=pgettext_lazy("of a member", "Role"), choices=Role.choices)


class SuccessorForm(Form):
    """Who takes over what a member owns; with `required` off, leaving it where it is is a choice too."""

    successor = forms.ModelChoiceField(
        User.objects.none(),
        label=_("Hand over to"),
        error_messages={"required": _("Choose who takes over.")},
    )

    def __init__(self, *args: Any, membership: Membership, required: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: forms.ModelChoiceField = self.fields["successor"]  # type: ignore[assignment]
        field.queryset, field.required = successors(membership), required
        field.empty_label = str(_("Choose a member") if required else _("Nobody: it stays as it is"))


class InvitationForm(Form):
    """One or more addresses, the role they get, and the language of the mail."""

    addresses = forms.CharField(
        label=_("E-mail addresses"),
        max_length=ADDRESSES_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_("One per line, or with commas between."),
    )
    role = forms.ChoiceField(
        label=pgettext_lazy("of a member", "Role"), choices=Role.choices, initial=Role.CONTRIBUTOR
    )
    language = forms.ChoiceField(label=_("Language of the mail"), choices=settings.LANGUAGES)

    def values(self) -> dict[str, Any]:
        """Arguments of `services.invitation.invite`."""
        data = self.cleaned_data
        return {**data, "addresses": split_addresses(data["addresses"])}


class JoinForm(Form):
    """The account of somebody who has been invited; the address is the invitation's."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=100,
        help_text=_("As you write it."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=True),
        help_text=_("At least 10 characters, not a common password."),
    )
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("password"):
            try:
                validate_password(data["password"], User(email=self.email, name=data.get("name", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data


class ForgetForm(Form):
    """A person's address typed out, so that nobody is forgotten by a slip."""

    address = forms.CharField(
        label=_("Address of the person"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    empty_comments = forms.BooleanField(
        label=_("Empty the person’s comments too"),
        required=False,
        help_text=_("Their files go too. Otherwise both stay, under the pseudonym."),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"]
        if address.strip().lower() != self.email.lower():
            raise forms.ValidationError(_("This is not the address of the person."))
        return address


def refuse(form: Form, error: DomainError) -> None:
    """Put what a service refused at the field it speaks of."""
    form.add_error(error.field if error.field in form.fields else None, str(error.message))

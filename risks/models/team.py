"""People and teams. A team is the border of what anyone may see."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from risks.enums import Role, Theme
from risks.models.history import History
from risks.models.translated import Translated

FORMER = "@former.invalid"
"""Ends the address that stands in the place of a pseudonymised person's: `12@former.invalid`."""


def person_name(name: str, email: str) -> str:
    """How a person is called: the name, else the address; a pseudonym in the reader's language."""
    if email.endswith(FORMER):
        return gettext("Former member %(number)s") % {"number": email.removesuffix(FORMER)}
    return name or email


def known_address(email: str) -> str:
    """The address; none of somebody pseudonymised."""
    return "" if email.endswith(FORMER) else email


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in with an address and a password."""

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=100, blank=True, help_text=_("As you write it."))
    language = models.CharField(_("language"), max_length=10, blank=True)
    theme = models.CharField(_("theme"), max_length=5, choices=Theme.choices, default=Theme.AUTO)
    is_staff = models.BooleanField(
        _("may use the admin site"), default=False, help_text=_("Library, matrices, teams and people.")
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Switch off instead of deleting; what they did stays.")
    )
    joined_at = models.DateTimeField(_("joined"), default=timezone.now, editable=False)
    time_zone = models.CharField(_("time zone"), max_length=50, blank=True)
    digest_hour = models.PositiveSmallIntegerField(
        _("hour of the daily mail"), default=8, validators=[MaxValueValidator(23)]
    )
    delivery = models.JSONField(_("notifications"), default=dict, blank=True)  # NoticeKind → Delivery
    pseudonymised_at = models.DateTimeField(null=True, blank=True, editable=False)

    has_left = False  # set by reads that know the team, see `queries.people`

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["name", "email"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="risks_user_email_once",
                violation_error_message=_("Somebody with this address is here already."),
            )
        ]

    def __str__(self) -> str:
        """The name; where a team's pages show somebody who has left it, they say so."""
        if self.has_left and not self.is_former:
            return gettext("%(name)s (left)") % {"name": self.called}
        return self.called

    @property
    def called(self) -> str:
        return person_name(self.name, self.email)

    @property
    def is_former(self) -> bool:
        """Pseudonymised: nobody knows any more who this was."""
        return self.email.endswith(FORMER)

    @property
    def initials(self) -> str:
        """Up to two letters for the avatar: of a Chinese name its last two characters."""
        words = re.findall(r"[^\W_]+", self.called.split("@")[0]) or ["?"]
        if words[-1] < "\u3400":  # where Chinese characters begin
            return "".join(word[0] for word in (words[0], words[-1])[: len(words)]).upper()
        return words[-1][-2:]


class Team(models.Model):
    """The people who share registers."""

    slug = models.SlugField(
        _("short name in addresses"),
        max_length=40,
        unique=True,
        error_messages={"unique": _("Another team has this short name. Choose another one.")},
    )
    name_en = models.CharField(_("name (English)"), max_length=100, blank=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=100, blank=True)
    requires_second_factor = models.BooleanField(
        _("demand a second factor"),
        default=False,
        help_text=_("Members without one set it up before they see anything of the team."),
    )
    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")
    name = Translated()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(name_en="", name_zh=""),
                name="risks_team_has_name",
                violation_error_message=_("Give the team a name in at least one language."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    def active(self) -> MembershipQuerySet:
        return self.filter(is_active=True)


class Membership(models.Model):
    """What one person may do in one team. Somebody who has left stays as an inactive member.

    `by_group`: came by a group of single sign-on, and follows the person's groups at each sign-on until
    somebody changes or ends it by hand.
    """

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships", verbose_name=_("team"))
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("person"))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.CONTRIBUTOR)
    is_active = models.BooleanField(_("active"), default=True)
    by_group = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    history = History()
    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ["team", "user"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "user"],
                name="risks_membership_once",
                violation_error_message=_("This person is a member of the team already; change the role."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.get_role_display()}"


class Invitation(models.Model):
    """An offer, sent by mail, to join a team in a role. Only a hash of the link's secret is kept."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="invitations")
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.CONTRIBUTOR)
    language = models.CharField(_("language of the mail"), max_length=10, blank=True)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                "team",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="risks_invitation_one_open",
                violation_error_message=_(
                    "This address has an invitation to the team already. Send that one again, or revoke it."
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.get_role_display()}"

    @property
    def address(self) -> str:
        """To whom it went, as pages show it."""
        return person_name("", self.email)

    @property
    def is_answered(self) -> bool:
        return self.accepted_at is not None or self.revoked_at is not None

    def has_expired(self, now: datetime) -> bool:
        return not self.is_answered and self.expires_at <= now

    def is_open(self, now: datetime) -> bool:
        """Whether its link can be used."""
        return not self.is_answered and self.expires_at > now

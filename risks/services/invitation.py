"""Inviting people to a team by mail: a link that expires, can be withdrawn, and is used once.

The link's secret is made from the server's key and the invitation, anew each time it is sent. The database
holds its hash only: neither a copy of it nor a waiting job lets anybody in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from smtplib import SMTPException
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from risks import rules
from risks.enums import Role, Verb
from risks.exceptions import Conflict, Gone, Invalid, NotAllowed
from risks.models import Invitation, Membership, Team, User
from risks.rules import Actor
from risks.services.audit import record
from risks.services.jobs import task
from risks.services.links import absolute_url, domain, host
from risks.services.membership import add_member

AT_ONCE = 50
"""Addresses of one request."""
RESTS = [timedelta(minutes=minutes) for minutes in (1, 5, 30, 240)]
"""How long a mail waits after each failure of the mail server."""
_BETWEEN = re.compile(r"[\s,;，；、]+")


def split_addresses(text: str) -> list[str]:
    """Addresses as people paste them, one per line or with commas between; each once, in lower case."""
    return list(dict.fromkeys(part.lower() for part in _BETWEEN.split(text) if part))


@transaction.atomic
def invite(team: Team, addresses: Sequence[str], *, role: str, language: str, by: Actor) -> list[Invitation]:
    """Invite each of the addresses and mail the links; all of them or none.

    An invitation that has expired is sent again. `Invalid` names the addresses that cannot be invited.
    """
    rules.check_can_administer_team(by, team)
    Team.objects.select_for_update(no_key=True).get(
        pk=team.pk
    )  # two people who invite the same address queue up
    now = timezone.now()
    _check_addresses(team, addresses, now)
    expired = {
        invitation.email.lower(): invitation
        for invitation in Invitation.objects.filter(team=team, accepted_at=None, revoked_at=None)
    }
    invitations = []
    for address in addresses:
        invitation = expired.get(address) or Invitation(team=team, email=address)
        invitation.role, invitation.language = role, language
        invitation.invited_by, invitation.created_at = by.user, now
        _give_secret(invitation, now)
        invitation.full_clean()
        invitation.save()
        record(
            Verb.INVITED, invitation, by=by, label="",
            changes={"role": [None, role], "expires_at": [None, invitation.expires_at.isoformat()]},
        )  # fmt: skip
        invitations.append(invitation)
    for invitation in invitations:
        mail_invitation.enqueue(invitation.pk)
    return invitations


def _check_addresses(team: Team, addresses: Sequence[str], now: datetime) -> None:
    if not addresses:
        raise Invalid(_("Enter at least one address."), field="addresses")
    if len(addresses) > AT_ONCE:
        raise Invalid(
            _("These are %(count)s addresses. Invite at most %(limit)s at once.")
            % {"count": len(addresses), "limit": AT_ONCE},
            field="addresses",
        )
    members = Membership.objects.active().filter(team=team, user__email__in=addresses)
    here = set(members.values_list("user__email", flat=True))
    waiting = Invitation.objects.filter(
        team=team, email__in=addresses, accepted_at=None, revoked_at=None, expires_at__gt=now
    )
    asked = set(waiting.values_list("email", flat=True))
    problems = [
        (
            [address for address in addresses if not _is_address(address)],
            _("This is not an e-mail address: %(list)s"),
            _("These are not e-mail addresses: %(list)s"),
        ),
        (
            [address for address in addresses if address in here],
            _("%(list)s is a member of the team already."),
            _("%(list)s are members of the team already."),
        ),
        (
            [address for address in addresses if address in asked],
            _("%(list)s has an invitation already. Send that one again, or revoke it."),
            _("%(list)s have invitations already. Send those again, or revoke them."),
        ),
    ]
    for found, one, many in problems:
        if found:
            shown = ", ".join(address[:80] for address in found[:5]) + (" …" if len(found) > 5 else "")
            raise Invalid((one if len(found) == 1 else many) % {"list": shown}, field="addresses")


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= 254 and "\0" not in text


@transaction.atomic
def send_again(invitation: Invitation, *, by: Actor) -> Invitation:
    """A new link for some more days; the one sent before is dead."""
    current = _locked(invitation, by)
    before = current.expires_at
    _give_secret(current, timezone.now())
    current.save(update_fields=["secret_hash", "expires_at"])
    changes = {"expires_at": [before.isoformat(), current.expires_at.isoformat()]}
    record(Verb.CHANGED, current, by=by, label="", changes=changes)
    mail_invitation.enqueue(current.pk)
    return current


@transaction.atomic
def revoke(invitation: Invitation, *, by: Actor) -> None:
    """The link is dead from now on."""
    current = _locked(invitation, by)
    current.revoked_at = timezone.now()
    current.save(update_fields=["revoked_at"])
    changes = {"revoked_at": [None, current.revoked_at.isoformat()]}
    record(Verb.CHANGED, current, by=by, label="", changes=changes)


def _locked(invitation: Invitation, by: Actor) -> Invitation:
    current = Invitation.objects.select_for_update(of=("self",)).select_related("team").get(pk=invitation.pk)
    rules.check_can_administer_team(by, current.team)
    if current.is_answered:
        raise Conflict(_("This invitation has been used or revoked meanwhile."))
    return current


# --- the secret


def _give_secret(invitation: Invitation, now: datetime) -> None:
    invitation.expires_at = now + timedelta(days=settings.INVITATION_DAYS)
    invitation.secret_hash = _hash(secret_of(invitation))


def secret_of(invitation: Invitation) -> str:
    """What stands in the link. It changes with the moment at which it expires."""
    facts = f"{invitation.team_id} {invitation.email} {invitation.expires_at.timestamp():.6f}"
    return salted_hmac("risks.invitation", facts, algorithm="sha256").hexdigest()


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def link_to(invitation: Invitation) -> str:
    return absolute_url(reverse("risks:invitation", args=[secret_of(invitation)]))


# --- the mail


@task
def mail_invitation(pk: int, failures: int = 0) -> bool:
    """The job: mail the link if it can still be used; again later if the mail server is away."""
    invitation = Invitation.objects.select_related("team", "invited_by").filter(pk=pk).first()
    if invitation is None or not invitation.is_open(timezone.now()) or not settings.MAIL_WORKS:
        return False
    if _hash(secret_of(invitation)) != invitation.secret_hash:
        raise RuntimeError("RISKREG_SECRET_KEY differs between the server and its workers, or has changed")
    with override(invitation.language or settings.LANGUAGE_CODE):
        message = compose(invitation)
    try:
        message.send()
    except (OSError, SMTPException):
        if failures == len(RESTS):  # without the cause: it may name the address, and is kept with the job
            raise RuntimeError("the mail server does not take the mail of an invitation") from None
        later = timezone.now() + RESTS[failures]
        mail_invitation.using(run_after=later).enqueue(pk, failures + 1)
        return False
    return True


def compose(invitation: Invitation) -> EmailMultiAlternatives:
    """The mail in the language of the moment."""
    days = settings.INVITATION_DAYS
    context: dict[str, Any] = {
        "invitation": invitation,
        "team": invitation.team.name,
        "inviter": str(invitation.invited_by or ""),
        "role": invitation.get_role_display(),
        "url": link_to(invitation),
        "host": host(),
        "for_days": ngettext(
            "The link is good for %(days)d day and works once.",
            "The link is good for %(days)d days and works once.",
            days,
        )
        % {"days": days},
        "subject": _("You are invited to the team %(team)s") % {"team": invitation.team.name},
    }
    subject = " ".join(context["subject"].split())
    message = EmailMultiAlternatives(
        subject, render_to_string("risks/mail/invitation.txt", context), to=[invitation.email],
        headers={
            "Auto-Submitted": "auto-generated",
            # The same at each attempt, so that a mail taken twice is shown once; another for a new link.
            "Message-ID": f"<invitation-{invitation.pk}-{invitation.secret_hash[:16]}@{domain()}>",
        },
    )  # fmt: skip
    message.attach_alternative(render_to_string("risks/mail/invitation.html", context), "text/html")
    return message


# --- accepting


def find_invitation(secret: str) -> Invitation | None:
    """The invitation of a link, whatever has become of it."""
    found = Invitation.objects.filter(secret_hash=_hash(secret))
    return found.select_related("team", "invited_by", "accepted_by").first()


def account_of(invitation: Invitation) -> User | None:
    """Whose address the invitation was sent to, if anybody has it."""
    person = User.objects.filter(email__iexact=invitation.email).first()
    if person:
        return person
    known = EmailAddress.objects.filter(email__iexact=invitation.email, verified=True)
    address = known.select_related("user").first()
    return address.user if address else None


def is_for(invitation: Invitation, person: User) -> bool:
    found = account_of(invitation)
    return found is not None and found.pk == person.pk


@transaction.atomic
def accept(invitation: Invitation, person: User) -> Membership:
    """Join the team, in the role that was offered. The same person a second time: still a member."""
    current = _usable(invitation, person)
    if not is_for(current, person):
        raise NotAllowed(
            _("This invitation is for %(invited)s, but you are signed in as %(own)s.")
            % {"invited": current.email, "own": person.email}
        )
    return _join(current, person)


@transaction.atomic
def accept_as_new(invitation: Invitation, *, name: str, password: str, language: str) -> Membership:
    """Make the account of the invited address, which the link has proved, and join the team with it."""
    current = _usable(invitation, None)
    if account_of(current) is not None:
        raise Conflict(_("This address has an account meanwhile. Sign in with it, then open the link again."))
    person = User.objects.create_user(current.email, password, name=name, language=language)
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return _join(current, person)


def _usable(invitation: Invitation, person: User | None) -> Invitation:
    """Locked, so that two clicks make one member."""
    current = Invitation.objects.select_for_update(of=("self",)).select_related("team").get(pk=invitation.pk)
    if not current.is_open(timezone.now()) and not has_joined(current, person):
        raise Gone(_("This invitation cannot be used any more."))
    return current


def has_joined(invitation: Invitation, person: User | None) -> bool:
    """Whether this very person has accepted it, and is a member still."""
    if person is None or invitation.accepted_by_id != person.pk:
        return False
    return person.memberships.active().filter(team=invitation.team_id).exists()


def _join(invitation: Invitation, person: User) -> Membership:
    if invitation.accepted_at is not None:
        return Membership.objects.select_related("team").get(team=invitation.team_id, user=person)
    invitation.accepted_by, invitation.accepted_at = person, timezone.now()
    invitation.save(update_fields=["accepted_by", "accepted_at"])
    by = Actor(person, invitation.team_id, Role(invitation.role))
    return add_member(invitation.team, person, invitation.role, by=by, itself=True)

"""Accounts: what of signing in is told, second factors, addresses, sessions, groups of single sign-on.

Lines about somebody stand in the trail of every team the person is an active member of, or in the
installation's own if there is none. None of them holds a password, an address of any kind or a code.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from risks.enums import Origin, Role, Secured, Verb
from risks.exceptions import NotAllowed
from risks.models import AuditEvent, Membership, Team, User
from risks.rules import Actor
from risks.services.audit import Changes, build_event
from risks.services.membership import add_member, change_role, deactivate

log = logging.getLogger(__name__)
RANK = {role.value: rank for rank, role in enumerate(Role)}
"""How much a role may do, beside the others."""

SEEN = "seen"
"""In a session: when it was last noted that the session is in use, in seconds."""

# --- the trail


def record_sign_in(user: User) -> None:
    _record(Verb.SIGNED_IN, user)


def record_sign_out(user: User) -> None:
    _record(Verb.SIGNED_OUT, user)


def record_secured(user: User, step: Secured) -> None:
    """The person changed how they sign in."""
    _record(Verb.SECURED, user, changes={"step": [None, step.value]})


def record_failed_sign_in(email: str) -> None:
    """Somebody tried an address with a wrong password. An unknown one leaves a line that says nothing of it.

    As many queries for the one as for the other.
    """
    record_failed_proof(User.objects.filter(email=email.lower()).first())


def record_failed_proof(user: User | None) -> None:
    """A wrong password or code, by somebody who claims to be this person."""
    _record(Verb.SIGN_IN_FAILED, user, by_themselves=False)


def _record(
    verb: Verb, user: User | None, *, by_themselves: bool = True, changes: Changes | None = None
) -> None:
    actor = user if by_themselves else None
    teams = Membership.objects.active().filter(user=user or 0).values_list("team", "role")
    roles: list[tuple[int | None, str]] = list(teams) or [(None, Role.READER)]
    AuditEvent.objects.bulk_create(
        build_event(
            verb,
            user or User(),
            by=Actor(actor, team_id, Role(role)),
            subject=user,
            label="",
            changes=changes,
        )
        for team_id, role in roles
    )


# --- second factors


def second_factors(user: User) -> QuerySet[Authenticator]:
    """What the person can prove themselves by beside the password; recovery codes are only their spare."""
    return Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES)


def has_second_factor(user: User) -> bool:
    return second_factors(user).exists()


def demanding_teams(user: User) -> QuerySet[Team]:
    """The person's teams that let nobody in without a second factor; of all teams if the person may use the
    admin site, where all of them are to be seen."""
    teams = Team.objects.filter(requires_second_factor=True)
    return teams if user.is_staff else teams.filter(memberships__user=user, memberships__is_active=True)


# --- addresses


def settle_address(user: User) -> None:
    """See to it that the address of the account is one allauth knows.

    Whoever made the account by hand (set-up, invitation, admin site, command) vouches for its address: it
    counts as confirmed. What signs up by itself brings its own row, which stays unconfirmed until it is.
    """
    addresses = EmailAddress.objects.filter(user=user)
    if not addresses.filter(email=user.email).exists():
        with transaction.atomic():
            addresses.delete()
            EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)


def drop_pending_address(user: User) -> None:
    """Forget a change of address that is not confirmed: whoever asked for it may have been somebody else."""
    EmailAddress.objects.filter(user=user, verified=False).exclude(email=user.email).delete()


# --- sessions


def live_sessions(user: User) -> list[UserSession]:
    """Where the person is signed in, the one used last first. Two queries."""
    sessions = list(UserSession.objects.filter(user=user).order_by("-last_seen_at", "-pk"))
    keys = [session.session_key for session in sessions]
    alive = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    known = set(alive.values_list("session_key", flat=True))
    return [session for session in sessions if session.session_key in known]


def end_sessions(sessions: Iterable[UserSession]) -> int:
    """Sign out in these browsers, at once. Returns in how many."""
    ended = list(sessions)
    Session.objects.filter(session_key__in=[session.session_key for session in ended]).delete()
    UserSession.objects.filter(pk__in=[session.pk for session in ended]).delete()
    return len(ended)


def end_other_sessions(user: User, current: str | None) -> int:
    """Sign the person out in every browser but the one with this session."""
    return end_sessions(UserSession.objects.filter(user=user).exclude(session_key=current or ""))


def note_activity(session_key: str, ip: str, user_agent: str) -> None:
    """The session is in use, now and from there."""
    values = {"last_seen_at": timezone.now(), "ip": ip, "user_agent": user_agent[:200]}
    UserSession.objects.filter(session_key=session_key).update(**values)


# --- forgetting somebody


@transaction.atomic
def forget_ways_in(user: User) -> None:
    """Sign the person out everywhere and remove every means of signing in but the row itself."""
    end_other_sessions(user, None)
    for model in (Authenticator, SocialAccount, EmailAddress):
        model._default_manager.filter(user=user).delete()


# --- groups of single sign-on


@transaction.atomic
def follow_groups(user: User, groups: Iterable[str]) -> None:
    """Give the person the memberships their groups lead to, and take back those no group leads to any more.

    The highest role of several groups counts. A membership that somebody gave, changed or ended by hand stays
    as it is. The last active administrator of a team stays one.
    """
    wanted = _roles_of(set(groups))
    teams = Team.objects.filter(slug__in={slug for slug, _group, _role in settings.OIDC_ROLES})
    memberships = {membership.team_id: membership for membership in Membership.objects.filter(user=user)}
    for team in teams.order_by("slug"):
        by = Actor.system(team.pk, Origin.SIGN_ON)
        membership, role = memberships.get(team.pk), wanted.get(team.slug)
        if membership and not membership.by_group:
            continue
        try:
            if membership and membership.is_active:
                _follow(membership, role, by)
            elif role:
                add_member(team, user, role, by=by)
        except NotAllowed:
            log.warning("The last administrator of %s keeps the role that no group gives.", team.slug)


def _follow(membership: Membership, role: str | None, by: Actor) -> None:
    if role:
        change_role(membership, role, by=by)
    else:
        deactivate(membership, by=by)


def _roles_of(groups: set[str]) -> dict[str, str]:
    """The highest role in each team that these groups lead to, by the team's short name."""
    roles: dict[str, str] = {}
    for slug, group, role in settings.OIDC_ROLES:
        if group in groups and RANK[role] > RANK.get(roles.get(slug, ""), -1):
            roles[slug] = role
    return roles

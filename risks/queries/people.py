"""People of a team: who is offered, who is only named because they have left, and what each has to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from risks.enums import WRITERS, Role, State
from risks.models import Acceptance, Membership, Mitigation, Risk, Team, User
from risks.models.mitigation import MitigationQuerySet
from risks.models.risk import RiskQuerySet

SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def people_of(team: Team) -> QuerySet[User]:
    """Everybody who is or was a member, in the order in which they are offered, with `has_left`."""
    members = User.objects.filter(memberships__team=team)
    gone = Q(memberships__is_active=False) | Q(is_active=False)
    marked = members.annotate(has_left=gone)  # type: ignore[no-redef]  # replaces the usual False
    return marked.only("name", "email").order_by("name", "email")


def offered(people: Iterable[User]) -> list[User]:
    """Those of `people_of` who can be given something to do."""
    return [person for person in people if not person.has_left]


def active_members(team: Team | int, roles: Collection[str] = tuple(Role)) -> QuerySet[User]:
    """Members who may sign in and have one of the roles: what a choice of people offers."""
    memberships = Membership.objects.active().filter(team=team, role__in=roles)
    return User.objects.filter(is_active=True, pk__in=memberships.values("user"))


def who_may_own(team: int, current: int | None = None) -> QuerySet[User]:
    """Active members, and the owner of the moment, who may have left."""
    wanted = Q(pk__in=active_members(team).order_by().values("pk"))
    people = User.objects.filter(wanted | Q(pk=current) if current else wanted)
    return people.annotate(has_left=left_team(team))  # type: ignore[no-redef]


def successors(membership: Membership) -> QuerySet[User]:
    """To whom the work of a member can be handed over."""
    return (
        active_members(membership.team, [*WRITERS]).exclude(pk=membership.user_id).order_by("name", "email")
    )


def active_administrators(team_id: int) -> QuerySet[Membership]:
    """Those who can still do what only an administrator may."""
    members = Membership.objects.active().filter(team=team_id, role=Role.ADMINISTRATOR)
    return members.filter(user__is_active=True)


def with_second_factor(user: str) -> Exists:
    """Whether the person whom the path names has set up a second factor: an annotation."""
    return Exists(Authenticator.objects.filter(user=OuterRef(user), type__in=SECOND_FACTORS))


def without_second_factor(team: Team) -> int:
    """How many active members have none."""
    members = active_members(team)
    return members.annotate(secured=with_second_factor("pk")).filter(secured=False).count()


# --- what somebody has to do


def risks_in_hand(team: int, user: Any) -> RiskQuerySet:
    """What `user` (a person or an OuterRef) owns and somebody must look after: not closed, nor put away."""
    return Risk.objects.filter(team=team, owner=user, register__archived_at=None).exclude(state=State.CLOSED)


def mitigations_in_hand(team: int, user: Any) -> MitigationQuerySet:
    return Mitigation.objects.filter(team=team, owner=user, pending=True, register__archived_at=None)


def members(team: Team) -> QuerySet[Membership]:
    """Memberships with their people, what each owns and whether they have a second factor. One query."""
    person = OuterRef("user")
    return (
        Membership.objects.filter(team=team)
        .select_related("user")
        .annotate(
            risks_number=_number(risks_in_hand(team.pk, person)),
            mitigations_number=_number(mitigations_in_hand(team.pk, person)),
            has_second_factor=with_second_factor("user"),
        )
        .order_by("-is_active", "user__name", "user__email")
    )


def _number(rows: QuerySet[Any]) -> Coalesce:
    counted = rows.order_by().values("owner").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


@dataclass(frozen=True)
class InHand:
    """What a member leaves behind, with the first few of each."""

    risks: list[Risk]
    risks_number: int
    reviews_due: int
    mitigations: list[Mitigation]
    mitigations_number: int
    approvals: list[Acceptance]

    def __bool__(self) -> bool:
        return bool(self.risks_number or self.mitigations_number)


def in_hand(membership: Membership, today: date, shown: int = 10) -> InHand:
    """Five queries at any size."""
    team, person = membership.team_id, membership.user
    risks, mitigations = risks_in_hand(team, person), mitigations_in_hand(team, person)
    due = Count("pk", filter=Q(active=True, next_review_date__lt=today))
    counts = risks.order_by().aggregate(all=Count("pk"), due=due)
    approvals = Acceptance.objects.filter(approver=person, ended_at=None, risk__team=team)
    return InHand(
        risks=list(risks.worst_first()[:shown]),
        risks_number=counts["all"],
        reviews_due=counts["due"],
        mitigations=list(mitigations.select_related("risk").late_first()[:shown]),
        mitigations_number=mitigations.count(),
        approvals=list(approvals.select_related("risk").order_by("until_date", "pk")[:shown]),
    )


def left_team(team: int) -> Exists:
    """Whether somebody was a member of the team and is no longer: an annotation of people."""
    gone = Q(is_active=False) | Q(user__is_active=False)
    return Exists(Membership.objects.filter(gone, team=team, user=OuterRef("pk")))


def own_teams(user: User) -> QuerySet[Team]:
    """The teams the person is a member of."""
    return Team.objects.filter(pk__in=user.memberships.active().values("team")).order_by("slug")

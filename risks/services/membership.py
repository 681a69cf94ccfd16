"""Who belongs to a team, in which role, and who takes over when somebody leaves.

Every act locks the team first: two administrators who demote each other at once queue up, and the second of
them is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import NoticeKind, Origin, Role, Verb
from risks.exceptions import Invalid, NotAllowed
from risks.models import AuditEvent, Membership, Team, User
from risks.queries.people import mitigations_in_hand, risks_in_hand, successors
from risks.rules import Actor
from risks.services.audit import build_event, changes_between, record, values_of
from risks.services.history import BATCH, save_tracked, update_tracked
from risks.services.notice import notify

TEAM_FIELDS = ("name_en", "name_zh", "requires_second_factor")


@dataclass(frozen=True)
class HandedOver:
    """How much went from one person to another."""

    risks: int = 0
    mitigations: int = 0


@transaction.atomic
def update_team(team: Team, values: Mapping[str, Any], *, by: Actor) -> Team:
    """Change names and what the team demands of its members."""
    current = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    rules.check_can_administer_team(by, current)
    before = values_of(current, TEAM_FIELDS)
    for name in TEAM_FIELDS:
        setattr(current, name, values.get(name, getattr(current, name)))
    current.full_clean()
    changes = changes_between(before, values_of(current, TEAM_FIELDS))
    if changes:
        current.save(update_fields=TEAM_FIELDS)
        record(Verb.CHANGED, current, by=by, changes=changes)
    return current


@transaction.atomic
def add_member(team: Team, user: User, role: str, *, by: Actor, itself: bool = False) -> Membership:
    """Make somebody a member, or one again who has left. An active member stays as they are.

    `itself`: they accepted an invitation, and need not be told.
    """
    membership = _locked(team.pk).get(user.pk)
    if membership and membership.is_active:
        return membership
    if user.pseudonymised_at or not user.is_active:
        raise Invalid(_("This account is switched off."), field="user")
    membership = membership or Membership(team=team, user=user)
    membership.role, membership.is_active = role, True
    _note_whose_act(membership, by)
    membership.full_clean()
    save_tracked(membership, by=by)
    event = record(
        Verb.JOINED, membership, by=by, subject=user, label="", changes={"role": [None, membership.role]}
    )  # fmt: skip
    if not itself:
        _tell(membership, by, event, role=membership.role, joined=True)
    return membership


@transaction.atomic
def change_role(membership: Membership, role: str, *, by: Actor) -> Membership:
    """Give a member another role."""
    current = _check(membership, by)
    if role == current.role:
        return current
    if not current.is_active:
        raise NotAllowed(_("This person has left the team."))
    _check_not_last(current, role)
    changes = {"role": [current.role, role]}
    current.role = role
    _note_whose_act(current, by)
    current.full_clean()
    save_tracked(current, by=by)
    event = record(Verb.CHANGED, current, by=by, subject=current.user, label="", changes=changes)
    _tell(current, by, event, role=role)
    return current


@transaction.atomic
def deactivate(membership: Membership, *, by: Actor, successor: User | None = None) -> HandedOver:
    """End a membership; what the person did stays, what they own goes to the successor if one is named."""
    current = _check(membership, by)
    return _end(current, by, successor)


@transaction.atomic
def leave(membership: Membership, *, by: Actor, successor: User | None = None) -> HandedOver:
    """Leave the team oneself."""
    current = _locked(membership.team_id)[membership.user_id]
    if not by.is_(current.user_id) or by.team_id != current.team_id:
        raise NotAllowed(_("Only the member can do this."))
    return _end(current, by, successor)


def _end(current: Membership, by: Actor, successor: User | None) -> HandedOver:
    if not current.is_active:
        return HandedOver()
    _check_not_last(current)
    handed = _hand_over(current, successor, by) if successor else HandedOver()
    current.is_active = False
    _note_whose_act(current, by)
    save_tracked(current, by=by)
    event = record(
        Verb.LEFT, current, by=by, subject=current.user, label="", changes={"role": [current.role, None]}
    )
    _tell(current, by, event, left=True)
    return handed


@transaction.atomic
def reactivate(membership: Membership, *, by: Actor, role: str = "") -> Membership:
    """Let somebody who has left in again, in the former role unless another is named."""
    current = _check(membership, by)
    return add_member(current.team, current.user, role or current.role, by=by)


@transaction.atomic
def hand_over(membership: Membership, successor: User, *, by: Actor) -> HandedOver:
    """Give all that a member owns and that somebody must look after to another member."""
    return _hand_over(_check(membership, by), successor, by)


def _hand_over(current: Membership, successor: User, by: Actor) -> HandedOver:
    """A version and a line of the trail for each thing; a batch of them in as many queries as one."""
    if not successors(current).filter(pk=successor.pk).exists():
        raise Invalid(_("Choose an active member who may own risks; readers may not."), field="successor")
    at, person = timezone.now(), current.user
    risks = list(_locked_rows(risks_in_hand(current.team_id, person)))
    mitigations = list(_locked_rows(mitigations_in_hand(current.team_id, person)).select_related("risk"))
    for row in (*risks, *mitigations):
        row.owner, row.version, row.updated_at = successor, row.version + 1, max(row.updated_at, at)
    many = by.by_way_of(Origin.BULK) if by.origin == Origin.PERSON else by
    for rows in (risks, mitigations):
        update_tracked(rows, ["owner", "version", "updated_at"], by=many, at=at)
    change = {"owner": [{"user": person.pk}, {"user": successor.pk}]}
    lines = [
        build_event(Verb.CHANGED, row, by=many, risk=risk, changes=change, at=at)
        for row, risk in [(each, each) for each in risks] + [(each, each.risk) for each in mitigations]
    ]
    AuditEvent.objects.bulk_create(lines, batch_size=BATCH)
    handed = HandedOver(len(risks), len(mitigations))
    if lines:
        count = {"risks": [None, handed.risks], "mitigations": [None, handed.mitigations]}
        event = record(
            Verb.HANDED_OVER, current, by=by, subject=person, label="", at=at, changes=change | count
        )
        things = {"risks": handed.risks, "mitigations": handed.mitigations}
        notify(NoticeKind.ASSIGNMENT, [successor], by=by, event=event, details=things, at=at)
    return handed


def _locked_rows(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    return rows.select_for_update(of=("self",)).order_by("pk")


# --- what holds for all of them


def _locked(team_id: int) -> dict[int, Membership]:
    """Every membership of the team by its person; the team is held until the transaction ends."""
    Team.objects.select_for_update(no_key=True).get(pk=team_id)
    members = Membership.objects.filter(team=team_id).select_related("user", "team")
    return {each.user_id: each for each in members}


def _check(membership: Membership, by: Actor) -> Membership:
    """The membership as it is now, locked with all of the team, if the actor may change it."""
    current = _locked(membership.team_id)[membership.user_id]
    rules.check_can_change_member(by, current)
    return current


def _note_whose_act(membership: Membership, by: Actor) -> None:
    """What somebody sets by hand, no group changes any more; see `Membership`."""
    membership.by_group = by.origin == Origin.SIGN_ON


def _check_not_last(current: Membership, role: str | None = None) -> None:
    """Refuses what would leave the team without an active administrator."""
    if role == Role.ADMINISTRATOR or current.role != Role.ADMINISTRATOR or not current.is_active:
        return
    others = Membership.objects.active().filter(
        team=current.team_id, role=Role.ADMINISTRATOR, user__is_active=True
    )
    if not others.exclude(pk=current.pk).exists():
        raise NotAllowed(rules.LAST_ADMINISTRATOR)


def _tell(membership: Membership, by: Actor, event: AuditEvent, **details: Any) -> None:
    notify(NoticeKind.TEAM, [membership.user], by=by, event=event, details=details)

"""Who may do what, and in which state: pairs `check_x` (raises NotAllowed, with the reason) and `can_x`.

The reason a check gives is the one a disabled button shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from risks.enums import MANAGERS, WRITERS, Origin, Role, State
from risks.exceptions import NotAllowed
from risks.models import Attachment, Comment, Membership, Mitigation, Register, Risk, Team, User


@dataclass(frozen=True)
class Actor:
    """Who acts, in which team and role, and by which way; `in_past`: who looks at a past day.

    `undoes`: the line of the trail that the act takes back.
    """

    user: User | None
    team_id: int | None
    role: Role
    origin: Origin = Origin.PERSON
    in_past: bool = False
    undoes: int | None = None

    @classmethod
    def of(cls, membership: Membership) -> Actor:
        return cls(membership.user, membership.team_id, Role(membership.role))

    @classmethod
    def operator(cls, user: User, team_id: int | None = None) -> Actor:
        """Somebody in the admin site, which is for those who run the installation."""
        return cls(user, team_id, Role.ADMINISTRATOR)

    @classmethod
    def system(cls, team_id: int | None, origin: Origin = Origin.COMMAND) -> Actor:
        """A command or a schedule, which may do all that the team's administrator may.

        No team: acts on what belongs to the whole installation.
        """
        return cls(None, team_id, Role.ADMINISTRATOR, origin)

    def by_way_of(self, origin: Origin) -> Actor:
        return replace(self, origin=origin)

    def taking_back(self, event_id: int) -> Actor:
        return replace(self, undoes=event_id)

    @property
    def is_manager(self) -> bool:
        return self.role in MANAGERS

    def is_(self, user_id: int | None) -> bool:
        return self.user is not None and self.user.pk == user_id


@dataclass(frozen=True)
class Move:
    """One allowed move between states, what it demands and who may make it."""

    name: str
    label: Promise | str
    from_states: tuple[State, ...]
    to_state: State
    needs_reason: bool = True
    needs_approval: bool = False  # an approver and an end date
    owner_may: bool = False


MOVES = (
    Move("confirm", _("Confirm"), (State.DRAFT,), State.OPEN, needs_reason=False),
    Move("treat", _("Start treating"), (State.OPEN,), State.TREATING, needs_reason=False, owner_may=True),
    Move("pause", _("Stop treating"), (State.TREATING,), State.OPEN, owner_may=True),
    Move("accept", pgettext_lazy("move", "Accept"), (State.OPEN, State.TREATING), State.ACCEPTED,
         needs_approval=True),
    Move("withdraw", _("End acceptance"), (State.ACCEPTED,), State.OPEN),
    Move("close", pgettext_lazy("move", "Close"), (State.OPEN, State.TREATING, State.ACCEPTED), State.CLOSED),
    Move("reopen", _("Reopen"), (State.CLOSED,), State.OPEN),
)  # fmt: skip
"""The one transition table. A draft that is not wanted is deleted; everything else only changes state."""

MOVES_BY_NAME = {move.name: move for move in MOVES}


def moves_from(state: str) -> list[Move]:
    return [move for move in MOVES if state in move.from_states]


def allows(check: Callable[..., None], *args: Any) -> bool:
    try:
        check(*args)
    except NotAllowed:
        return False
    return True


def reason_against(check: Callable[..., None], *args: Any) -> str:
    """Why `check` refuses, for the button's title; empty if it allows."""
    try:
        check(*args)
    except NotAllowed as refusal:
        return str(refusal.message)
    return ""


def check_is_present(actor: Actor) -> None:
    if actor.in_past:
        raise NotAllowed(_("This is the past; nothing can be changed here."))


def _check_own_team(actor: Actor, team_id: int) -> None:
    if actor.team_id != team_id:
        raise NotAllowed(_("This belongs to another team."))
    check_is_present(actor)


def check_is_not_archived(register: Register) -> None:
    """What is archived is read, exported, restored or removed; nothing in it changes."""
    if register.is_archived:
        raise NotAllowed(_("This register is archived. Nothing in it can be changed."))


# --- risks. All that is asked of one risk needs `risk.register` loaded.


def check_can_propose_risk(actor: Actor, register: Register | None = None) -> None:
    """Without a register: whether in any of the team."""
    check_is_present(actor)
    if register:
        _check_own_team(actor, register.team_id)
        check_is_not_archived(register)
    if actor.role not in WRITERS:
        raise NotAllowed(_("Readers cannot log risks. Ask an administrator of the team for another role."))


def can_propose_risk(actor: Actor, register: Register | None = None) -> bool:
    return allows(check_can_propose_risk, actor, register)


def check_can_edit_risk(actor: Actor, risk: Risk) -> None:
    """A manager any, a contributor those owned and own drafts; nobody a closed one."""
    _check_own_team(actor, risk.team_id)
    check_is_not_archived(risk.register)
    if actor.role not in WRITERS:
        raise NotAllowed(_("Readers cannot change risks."))
    if risk.state == State.CLOSED:
        raise NotAllowed(_("This risk is closed. Reopen it to change it."))
    own_draft = risk.state == State.DRAFT and actor.is_(risk.created_by_id)
    if not (actor.is_manager or actor.is_(risk.owner_id) or own_draft):
        raise NotAllowed(_("Only the owner of the risk or a manager can change it."))


def can_edit_risk(actor: Actor, risk: Risk) -> bool:
    return allows(check_can_edit_risk, actor, risk)


check_can_assess_risk, can_assess_risk = check_can_edit_risk, can_edit_risk


def check_can_delete_risk(actor: Actor, risk: Risk) -> None:
    _check_own_team(actor, risk.team_id)
    if risk.state != State.DRAFT:
        raise NotAllowed(_("Only drafts can be deleted. Close the risk instead; it stays countable."))
    check_can_edit_risk(actor, risk)


def can_delete_risk(actor: Actor, risk: Risk) -> bool:
    return allows(check_can_delete_risk, actor, risk)


def check_can_move_risk(actor: Actor, risk: Risk, move: Move) -> None:
    _check_own_team(actor, risk.team_id)
    check_is_not_archived(risk.register)
    if risk.state not in move.from_states:
        raise NotAllowed(
            _("A risk in the state “%(state)s” cannot make this move.") % {"state": risk.get_state_display()}
        )
    if not (actor.is_manager or (move.owner_may and actor.role in WRITERS and actor.is_(risk.owner_id))):
        raise NotAllowed(
            _("Only the owner of the risk or a manager can do this.")
            if move.owner_may
            else _("Only a manager can do this.")
        )


def can_move_risk(actor: Actor, risk: Risk, move: Move) -> bool:
    return allows(check_can_move_risk, actor, risk, move)


def check_can_bulk_edit(actor: Actor, register: Register | None = None) -> None:
    """Without a register: whether in any of the team."""
    check_is_present(actor)
    if register:
        check_is_not_archived(register)
    if not actor.is_manager:
        raise NotAllowed(_("Only a manager can change many risks at once."))


def can_bulk_edit(actor: Actor, register: Register | None = None) -> bool:
    return allows(check_can_bulk_edit, actor, register)


# --- mitigations


def check_can_add_mitigation(actor: Actor, risk: Risk) -> None:
    check_can_edit_risk(actor, risk)


def can_add_mitigation(actor: Actor, risk: Risk) -> bool:
    return allows(check_can_add_mitigation, actor, risk)


def check_can_edit_mitigation(actor: Actor, mitigation: Mitigation) -> None:
    """Its owner, and whoever may change its risk. Needs `mitigation.risk.register` loaded."""
    _check_own_team(actor, mitigation.team_id)
    check_is_not_archived(mitigation.risk.register)
    if actor.role not in WRITERS:
        raise NotAllowed(_("Readers cannot change mitigations."))
    if mitigation.risk.state == State.CLOSED:
        raise NotAllowed(_("This risk is closed. Reopen it to change it."))
    if not (actor.is_(mitigation.owner_id) or can_edit_risk(actor, mitigation.risk)):
        raise NotAllowed(_("Only the owner of the mitigation or of its risk, or a manager, can change it."))


def can_edit_mitigation(actor: Actor, mitigation: Mitigation) -> bool:
    return allows(check_can_edit_mitigation, actor, mitigation)


# --- registers and team


def check_can_administer(actor: Actor, register: Register | None = None) -> None:
    """The team, or one register of it."""
    if register:
        _check_own_team(actor, register.team_id)
    if actor.role != Role.ADMINISTRATOR:
        raise NotAllowed(_("Only an administrator of the team can do this."))


def can_administer(actor: Actor, register: Register | None = None) -> bool:
    return allows(check_can_administer, actor, register)


def check_can_edit_register(actor: Actor, register: Register) -> None:
    """Settings of a register; an archived one stays as it is."""
    check_can_administer(actor, register)
    check_is_not_archived(register)


def can_edit_register(actor: Actor, register: Register) -> bool:
    return allows(check_can_edit_register, actor, register)


def check_can_archive_register(actor: Actor, register: Register) -> None:
    check_can_administer(actor, register)
    if register.is_archived:
        raise NotAllowed(_("This register is archived already."))


def can_archive_register(actor: Actor, register: Register) -> bool:
    return allows(check_can_archive_register, actor, register)


def check_can_restore_register(actor: Actor, register: Register) -> None:
    check_can_administer(actor, register)
    if not register.is_archived:
        raise NotAllowed(_("This register is not archived."))


def can_restore_register(actor: Actor, register: Register) -> bool:
    return allows(check_can_restore_register, actor, register)


def check_can_remove_register(actor: Actor, register: Register) -> None:
    """With everything in it, for good: only what has been taken out of use before."""
    check_can_administer(actor, register)
    if not register.is_archived:
        raise NotAllowed(_("Archive the register first; only then it can be removed."))


def can_remove_register(actor: Actor, register: Register) -> bool:
    return allows(check_can_remove_register, actor, register)


LAST_ADMINISTRATOR = _("A team needs an administrator. Make another member administrator first.")


def check_can_administer_team(actor: Actor, team: Team) -> None:
    _check_own_team(actor, team.pk)
    check_can_administer(actor)


def can_administer_team(actor: Actor, team: Team) -> bool:
    return allows(check_can_administer_team, actor, team)


def check_can_make_team(user: User) -> None:
    """Who may found a team is a setting of the installation."""
    if settings.WHO_MAKES_TEAMS != "anyone" and not user.is_staff:
        raise NotAllowed(_("Only those who run this installation can make a team. Ask them for one."))


def can_make_team(user: User) -> bool:
    return allows(check_can_make_team, user)


def check_can_pseudonymise(actor: Actor, person: User) -> None:
    """An administrator of all the teams they belonged to, once they have left; or the site's operator.

    Asks the database for the person's memberships.
    """
    if person.pseudonymised_at is not None:
        raise NotAllowed(_("This has been done already."))
    if actor.is_(person.pk):
        raise NotAllowed(_("Nobody can do this to oneself. Ask another administrator."))
    if actor.team_id is None and actor.user is not None and actor.user.is_superuser:
        return
    check_can_administer(actor)
    if person.is_staff or person.is_superuser:
        raise NotAllowed(_("This person runs the installation. Only a superuser can do this."))
    teams = dict(person.memberships.values_list("team", "is_active"))
    if actor.user is None or actor.team_id not in teams:
        raise NotAllowed(_("This belongs to another team."))
    own = actor.user.memberships.active().filter(role=Role.ADMINISTRATOR)
    if set(teams) - set(own.values_list("team", flat=True)):
        raise NotAllowed(_("This person belonged to other teams too. Ask those who run the installation."))
    if any(teams.values()):
        raise NotAllowed(_("Deactivate the member first."))


def can_pseudonymise(actor: Actor, person: User) -> bool:
    return allows(check_can_pseudonymise, actor, person)


def check_can_change_member(actor: Actor, membership: Membership) -> None:
    """Role, activity and hand-over of one member."""
    _check_own_team(actor, membership.team_id)
    check_can_administer(actor)


def can_change_member(actor: Actor, membership: Membership) -> bool:
    return allows(check_can_change_member, actor, membership)


# --- discussion and files


def check_can_comment(actor: Actor, risk: Risk) -> None:
    """Also on a closed risk: lessons are learnt afterwards. Needs `risk.register` loaded."""
    _check_own_team(actor, risk.team_id)
    if actor.role not in WRITERS:
        raise NotAllowed(_("Readers cannot comment. Ask an administrator of the team for another role."))
    check_is_not_archived(risk.register)


def can_comment(actor: Actor, risk: Risk) -> bool:
    return allows(check_can_comment, actor, risk)


def check_can_change_comment(actor: Actor, comment: Comment) -> None:
    """Edit or delete: only one's own. Needs `comment.risk.register` loaded."""
    check_can_comment(actor, comment.risk)
    if comment.deleted_at is not None:
        raise NotAllowed(_("This comment is deleted."))
    if not actor.is_(comment.author_id):
        raise NotAllowed(_("Only the author can change a comment."))


def can_change_comment(actor: Actor, comment: Comment) -> bool:
    return allows(check_can_change_comment, actor, comment)


def check_can_follow(actor: Actor, risk: Risk) -> None:
    """Everybody who may see it, in any state: following changes nothing of the risk."""
    _check_own_team(actor, risk.team_id)


def can_follow(actor: Actor, risk: Risk) -> bool:
    return allows(check_can_follow, actor, risk)


check_can_attach, can_attach = check_can_comment, can_comment


def check_can_delete_attachment(actor: Actor, attachment: Attachment) -> None:
    """Whoever added it, or a manager. Needs `attachment.risk.register` loaded."""
    check_can_comment(actor, attachment.risk)
    if not (actor.is_manager or actor.is_(attachment.added_by_id)):
        raise NotAllowed(_("Only who added a file, or a manager, can delete it."))


def can_delete_attachment(actor: Actor, attachment: Attachment) -> bool:
    return allows(check_can_delete_attachment, actor, attachment)


# --- the trail


def check_can_see_team_activity(actor: Actor) -> None:
    """Lines about no register: sign-ins, members and their roles, the team itself, its library.

    Everybody in the team sees the lines about registers and what is in them, exports and downloads included.
    """
    if not actor.is_manager:
        raise NotAllowed(_("Only a manager or administrator can see the activity of the whole team."))


def can_see_team_activity(actor: Actor) -> bool:
    return allows(check_can_see_team_activity, actor)

"""Who may do what: every check by role, and the transition table."""

import pytest

from risks import rules
from risks.enums import Origin, Role, State
from risks.models import Risk
from risks.rules import MOVES, MOVES_BY_NAME, Actor

EVERYBODY = {"reader", "contributor", "owner", "manager", "administrator"}
MANAGERS = {"manager", "administrator"}


def allowed(cast, rule, *args):
    """Who of the team passes; nobody of another team ever does."""
    assert not rule(cast.actor(cast.outsider), *args)
    return {name for name, user in cast.members.items() if rule(cast.actor(user), *args)}


# --- actors


def test_actor_of_membership_has_its_role_and_team(cast):
    actor = cast.actor(cast.manager)

    assert actor == Actor(cast.manager, cast.team.pk, Role.MANAGER, Origin.PERSON)


def test_actor_system_is_an_administrator_without_a_person(cast):
    actor = Actor.system(cast.team.pk)

    assert (actor.user, actor.role, actor.origin) == (None, Role.ADMINISTRATOR, Origin.COMMAND)
    assert not actor.is_(None)


def test_actor_by_way_of_changes_the_origin_only(cast):
    actor = cast.actor(cast.owner)

    assert actor.by_way_of(Origin.BULK) == Actor(cast.owner, cast.team.pk, Role.CONTRIBUTOR, Origin.BULK)


# --- risks


def test_propose_risk_is_for_writers(cast):
    allowed_to = {n for n, u in cast.members.items() if rules.can_propose_risk(cast.actor(u))}

    assert allowed_to == EVERYBODY - {"reader"}


@pytest.mark.parametrize("state", ["open", "treating", "accepted"])
def test_edit_risk_is_for_its_owner_and_managers(cast, make_risk, state):
    risk = make_risk(owner=cast.owner, state=state)

    assert allowed(cast, rules.can_edit_risk, risk) == {"owner"} | MANAGERS
    assert allowed(cast, rules.can_assess_risk, risk) == {"owner"} | MANAGERS
    assert allowed(cast, rules.can_add_mitigation, risk) == {"owner"} | MANAGERS


def test_edit_risk_draft_is_also_for_who_wrote_it(cast, make_risk):
    risk = make_risk(by=cast.contributor, owner=cast.owner)

    assert allowed(cast, rules.can_edit_risk, risk) == {"owner", "contributor"} | MANAGERS


def test_edit_risk_confirmed_is_no_longer_for_who_wrote_it(cast, make_risk):
    risk = make_risk(by=cast.contributor, state="open")

    assert allowed(cast, rules.can_edit_risk, risk) == MANAGERS


def test_propose_risk_in_a_register_of_another_team_is_refused(cast, register):
    assert allowed(cast, rules.can_propose_risk, register) == EVERYBODY - {"reader"}
    assert not rules.can_propose_risk(cast.actor(cast.manager), cast.other_register)


def test_edit_risk_closed_is_for_nobody(cast, make_risk):
    risk = make_risk(owner=cast.owner, state="closed")

    assert allowed(cast, rules.can_edit_risk, risk) == set()


def test_edit_risk_owned_by_a_reader_is_refused(cast, make_risk):
    assert not rules.can_edit_risk(cast.actor(cast.reader), make_risk(owner=cast.reader))


def test_delete_risk_draft_is_for_who_wrote_it_and_managers(cast, make_risk):
    risk = make_risk(by=cast.contributor)

    assert allowed(cast, rules.can_delete_risk, risk) == {"contributor"} | MANAGERS


@pytest.mark.parametrize("state", ["open", "treating", "accepted", "closed"])
def test_delete_risk_past_draft_is_for_nobody(cast, make_risk, state):
    assert allowed(cast, rules.can_delete_risk, make_risk(owner=cast.owner, state=state)) == set()


def test_bulk_edit_is_for_managers(cast):
    allowed_to = {n for n, u in cast.members.items() if rules.can_bulk_edit(cast.actor(u))}

    assert allowed_to == MANAGERS


# --- moves


def test_moves_are_the_documented_table():
    assert {(move.name, frm.value, move.to_state.value) for move in MOVES for frm in move.from_states} == {
        ("confirm", "draft", "open"),
        ("treat", "open", "treating"),
        ("pause", "treating", "open"),
        ("accept", "open", "accepted"),
        ("accept", "treating", "accepted"),
        ("withdraw", "accepted", "open"),
        ("close", "open", "closed"),
        ("close", "treating", "closed"),
        ("close", "accepted", "closed"),
        ("reopen", "closed", "open"),
    }


def test_moves_demand_a_reason_except_to_confirm_and_treat():
    assert {move.name for move in MOVES if not move.needs_reason} == {"confirm", "treat"}


def test_moves_demand_approval_only_to_accept():
    assert {move.name for move in MOVES if move.needs_approval} == {"accept"}


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("draft", ["confirm"]),
        ("open", ["treat", "accept", "close"]),
        ("treating", ["pause", "accept", "close"]),
        ("accepted", ["withdraw", "close"]),
        ("closed", ["reopen"]),
    ],
)
def test_moves_from_a_state_are_those_of_the_table(state, names):
    assert [move.name for move in rules.moves_from(state)] == names


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.name)
def test_move_risk_is_allowed_from_its_states_to_its_people(cast, register, move, state):
    risk = Risk(team=cast.team, register=register, state=state, owner=cast.owner)
    people = MANAGERS | ({"owner"} if move.name in ("treat", "pause") else set())

    expected = people if state in move.from_states else set()

    assert allowed(cast, rules.can_move_risk, risk, move) == expected


def test_move_risk_owned_by_a_reader_is_refused(cast, register):
    risk = Risk(team=cast.team, register=register, state=State.OPEN, owner=cast.reader)

    assert not rules.can_move_risk(cast.actor(cast.reader), risk, MOVES_BY_NAME["treat"])


# --- mitigations


def test_edit_mitigation_is_for_its_owner_the_owner_of_the_risk_and_managers(
    cast, make_risk, make_mitigation
):
    mitigation = make_mitigation(make_risk(owner=cast.owner), owner=cast.contributor)

    assert allowed(cast, rules.can_edit_mitigation, mitigation) == {"owner", "contributor"} | MANAGERS


def test_edit_mitigation_of_a_closed_risk_is_for_nobody(cast, make_risk, make_mitigation):
    risk = make_risk(owner=cast.owner)
    mitigation = make_mitigation(risk, owner=cast.contributor)
    mitigation.risk.state = State.CLOSED

    assert allowed(cast, rules.can_edit_mitigation, mitigation) == set()


def test_edit_mitigation_owned_by_a_reader_is_refused(cast, make_risk, make_mitigation):
    mitigation = make_mitigation(make_risk(), owner=cast.reader)

    assert not rules.can_edit_mitigation(cast.actor(cast.reader), mitigation)


# --- registers and team


def test_administer_is_for_administrators(cast):
    allowed_to = {n for n, u in cast.members.items() if rules.can_administer(cast.actor(u))}

    assert allowed_to == {"administrator"}


def test_administer_register_of_another_team_is_for_nobody(cast, register):
    assert allowed(cast, rules.can_administer, register) == {"administrator"}
    assert not rules.can_administer(cast.actor(cast.administrator), cast.other_register)


# --- reasons


@pytest.mark.parametrize(
    ("who", "state", "reason"),
    [
        ("outsider", "open", "This belongs to another team."),
        ("reader", "open", "Readers cannot change risks."),
        ("manager", "closed", "This risk is closed. Reopen it to change it."),
        ("contributor", "open", "Only the owner of the risk or a manager can change it."),
        ("manager", "open", ""),
    ],
)
def test_reason_against_edit_risk_says_what_is_in_the_way(cast, register, who, state, reason):
    risk = Risk(team=cast.team, register=register, state=state)

    assert rules.reason_against(rules.check_can_edit_risk, cast.actor(getattr(cast, who)), risk) == reason


def test_reason_against_move_names_the_state_in_the_language_of_the_reader(cast, register):
    risk = Risk(team=cast.team, register=register, state=State.DRAFT)

    assert (
        rules.reason_against(
            rules.check_can_move_risk, cast.actor(cast.manager), risk, MOVES_BY_NAME["close"]
        )
        == "A risk in the state “Draft” cannot make this move."
    )


def test_every_check_has_its_pair():
    checks = {name.removeprefix("check_") for name in vars(rules) if name.startswith("check_can_")}

    assert checks == {name for name in vars(rules) if name.startswith("can_")}

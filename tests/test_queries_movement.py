"""What moved between two month ends, against histories written by hand."""

from datetime import UTC, date, datetime

import pytest

from risks.enums import Kind, State
from risks.models.translated import Text
from risks.queries.movement import (
    What,
    first_months,
    month_before,
    month_end,
    month_start,
    next_month,
    read_history,
    read_movement,
)
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.risk import move_risk

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)


def on(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 12, tzinfo=UTC)


@pytest.fixture
def score(cast):
    def assess(risk, position, at, reason="Measured again"):
        return assess_risk(
            risk, Kind.RESIDUAL, *position, by=cast.actor(cast.manager), reason=Text(reason), at=at
        )

    return assess


@pytest.fixture
def move(cast):
    def make(risk, name, at, **demands):
        actor = cast.actor(cast.manager)
        return move_risk(risk, MOVES_BY_NAME[name], by=actor, reason=Text("Decided"), at=at, **demands)

    return make


def movement_of(register, month=OCTOBER):
    history = read_history(register, month_end(month))
    return read_movement(register, history, month_start(month), month_end(month))


def changes_of(register, month=OCTOBER):
    return [(change.what, change.risk_id) for change in movement_of(register, month).changes]


def test_months_follow_each_other_over_the_year_end():
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert month_before(date(2027, 1, 1)) == date(2026, 12, 1)
    assert month_before(date(2026, 3, 1)) == date(2026, 2, 1)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_month_ends_at_midnight_of_the_sites_zone(settings, zone):
    settings.TIME_ZONE = zone

    assert month_end(OCTOBER) == month_start(date(2026, 11, 1))
    assert month_end(OCTOBER).isoformat()[:16] == "2026-11-01T00:00"


def test_standing_counts_what_happened_before_the_moment_only(register, make_risk, score):
    risk = make_risk(residual=(4, 4), at=on(9, 1))
    score(risk, (2, 2), month_end(OCTOBER))

    standing = read_history(register, month_end(date(2026, 11, 1))).at(month_end(OCTOBER))

    assert standing.position(risk.pk).cell == (4, 4)
    assert standing.levels() == {3: 1}


def test_standing_of_today_is_that_of_the_columns(register, make_risk, score):
    risks = [
        make_risk(residual=(4, 4), inherent=(5, 4), target=(2, 2)),
        make_risk(),
        make_risk(state="draft"),
    ]
    score(risks[0], (3, 5), None)
    risks[0].refresh_from_db()

    standing = read_history(register, datetime.max.replace(tzinfo=UTC)).at(datetime.max.replace(tzinfo=UTC))

    assert standing.active == {risks[0].pk, risks[1].pk}
    for kind in Kind:
        assert standing.position(risks[0].pk, kind).cell == risks[0].position(kind)
        assert standing.position(risks[1].pk, kind) is None
    assert standing.position(risks[0].pk).rank == risks[0].residual_rank


def test_movement_of_known_history(register, make_risk, score, move):
    up = make_risk(residual=(2, 2), at=on(9, 1))
    down = make_risk(residual=(5, 5), at=on(9, 1))
    shifted = make_risk(residual=(2, 4), at=on(9, 1))
    assessed = make_risk(at=on(9, 1))
    still = make_risk(residual=(3, 3), at=on(9, 1))
    closed = make_risk(residual=(1, 1), at=on(9, 1))
    reopened = make_risk(residual=(3, 2), at=on(9, 1))
    move(reopened, "close", on(9, 20))
    new = make_risk(residual=(4, 4), at=on(10, 3))
    make_risk(state="draft", at=on(10, 4))
    score(up, (4, 4), on(10, 5))
    score(down, (5, 4), on(10, 6))
    score(down, (4, 4), on(10, 7))
    score(shifted, (4, 2), on(10, 8))
    score(assessed, (3, 4), on(10, 9))
    score(still, (4, 4), on(10, 10))
    score(still, (3, 3), on(10, 11))
    move(closed, "close", on(10, 12))
    move(reopened, "reopen", on(10, 13))
    score(up, (1, 1), on(11, 2))

    movement = movement_of(register)

    assert [(change.what, change.risk_id) for change in movement.changes] == [
        (What.UP, up.pk), (What.DOWN, down.pk), (What.SHIFTED, shifted.pk), (What.ASSESSED, assessed.pk),
        (What.CLOSED, closed.pk), (What.REOPENED, reopened.pk), (What.NEW, new.pk),
    ]  # fmt: skip
    by_risk = {change.risk_id: change for change in movement.changes}
    assert (by_risk[up.pk].before.cell, by_risk[up.pk].after.cell) == ((2, 2), (4, 4))
    assert (by_risk[down.pk].before.cell, by_risk[down.pk].after.cell) == ((5, 5), (4, 4))
    assert by_risk[closed.pk].move.reason == "Decided"
    assert by_risk[closed.pk].move.moved_at == on(10, 12)
    before, after = len(movement.before.active), len(movement.after.active)
    assert (before, after) == (6, 7)
    assert after == before + movement.count(What.NEW) + movement.count(What.REOPENED) - movement.count(
        What.CLOSED
    )


def test_draft_confirmed_in_the_month_is_new_in_it(register, make_risk, move):
    risk = make_risk(state="draft", at=on(9, 5))
    move(risk, "confirm", on(10, 5))

    assert changes_of(register, SEPTEMBER) == []
    assert changes_of(register) == [(What.NEW, risk.pk)]


def test_risk_closed_in_the_month_it_was_logged_is_new_and_closed(register, make_risk, move):
    risk = make_risk(at=on(10, 2))
    move(risk, "close", on(10, 20))

    assert changes_of(register) == [(What.NEW, risk.pk), (What.CLOSED, risk.pk)]


def test_risk_closed_and_reopened_in_the_month_has_not_changed(register, make_risk, move):
    risk = make_risk(residual=(3, 3), at=on(9, 2))
    move(risk, "close", on(10, 2))
    move(risk, "reopen", on(10, 20))

    assert changes_of(register) == []


def test_acceptance_of_the_month_is_told(register, make_risk, move, cast):
    risk = make_risk(residual=(3, 3), at=on(9, 2))
    move(risk, "accept", on(10, 2), approver=cast.manager, until=date(2027, 3, 1))

    assert changes_of(register) == [(What.ACCEPTED, risk.pk)]
    assert movement_of(register).after.states[risk.pk] == State.ACCEPTED


def test_reason_of_a_move_is_the_last_one_given(register, make_risk, score):
    risk = make_risk(residual=(2, 2), at=on(9, 1))
    score(risk, (4, 4), on(10, 5), "Two incidents")
    score(risk, (5, 3), on(10, 6), "")

    assert movement_of(register).changes[0].scoring.reason == "Two incidents"


def test_first_months_name_registers_with_risks_only(cast, register, make_risk):
    assert first_months([register, cast.other_register]).keys() == {cast.other_register.pk}
    make_risk(at=on(8, 31))
    make_risk(at=on(10, 1))

    assert first_months([register])[register.pk] == date(2026, 8, 1)


def test_other_registers_do_not_count(cast, register):
    history = read_history(register, datetime.max.replace(tzinfo=UTC))

    assert history.moves == history.scorings == ()

"""The monthly tally stays what the history says, whatever happens."""

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risks.exceptions import DomainError
from risks.models import LevelTally, Register, Risk
from risks.models.translated import Text
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.risk import bulk_update_risks, move_risk
from risks.services.tally import month_of, rebuild_tally, tally_from_history

MARCH, APRIL = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 4, 10, tzinfo=UTC)
WHY = Text("Seen in the meeting")
MOVES = [move for name, move in MOVES_BY_NAME.items() if name != "accept"]


def tally(register: Register) -> dict[tuple[date, int], int]:
    rows = LevelTally.objects.filter(register=register).exclude(delta=0)
    return {(row.month_date, row.level): row.delta for row in rows}


def counts(register: Register) -> Counter[int]:
    """Active risks by residual level, counted one by one."""
    return Counter(risk.residual_level or 0 for risk in Risk.objects.filter(register=register, active=True))


def test_month_of_a_moment_is_the_first_of_the_local_month(settings):
    settings.TIME_ZONE = "Asia/Shanghai"

    assert month_of(datetime(2026, 3, 31, 16, 30, tzinfo=UTC)) == date(2026, 4, 1)


def test_tally_of_a_draft_is_empty(register, make_risk):
    make_risk(state="draft")

    assert tally(register) == {}


def test_tally_follows_a_risk_through_two_months(cast, register, make_risk):
    by = cast.actor(cast.manager)
    risk = make_risk(residual=(5, 5), at=MARCH)
    assert tally(register) == {(date(2026, 3, 1), 4): 1}

    assess_risk(risk, "residual", 2, 2, by=by, reason=WHY, at=APRIL)
    assert tally(register) == {
        (date(2026, 3, 1), 4): 1,
        (date(2026, 4, 1), 4): -1,
        (date(2026, 4, 1), 1): 1,
    }

    move_risk(risk, MOVES_BY_NAME["close"], by=by, reason=WHY, at=APRIL)
    assert tally(register) == {(date(2026, 3, 1), 4): 1, (date(2026, 4, 1), 4): -1}


def test_tally_is_not_moved_by_inherent_and_target(register, make_risk):
    make_risk(inherent=(5, 5), target=(1, 1), at=MARCH)

    assert tally(register) == {(date(2026, 3, 1), 0): 1}


def test_tally_of_a_bulk_move_is_that_of_its_risks(cast, register, make_risk):
    cells = [(1, 1), (3, 3), (4, 4), (5, 5), None]
    risks = [make_risk(residual=cell) for cell in cells for _ in range(3)]

    bulk_update_risks(
        [risk.pk for risk in risks[::2]], {}, by=cast.actor(cast.manager), move=MOVES_BY_NAME["close"],
        reason=WHY,
    )  # fmt: skip

    assert tally(register) == tally_from_history(register)
    assert sum((Counter({level: n}) for (_, level), n in tally(register).items()), Counter()) == counts(
        register
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(st.sampled_from(MOVES), st.tuples(st.integers(1, 5), st.integers(1, 5))),
        ),
        max_size=12,
    )
)
def test_tally_after_any_acts_is_what_the_history_says(cast, register, make_risk, acts):
    """Refused acts are part of the game: they must not count either."""
    by = cast.actor(cast.manager)
    risks = [make_risk(), make_risk(state="draft"), make_risk(residual=(3, 3)), make_risk(state="accepted")]

    for index, act in acts:
        try:
            if isinstance(act, tuple):
                assess_risk(risks[index], "residual", *act, by=by, reason=WHY)
            else:
                move_risk(risks[index], act, by=by, reason=WHY)
        except DomainError:
            continue

    totals: Counter[int] = Counter()
    for (_month, level), delta in tally(register).items():
        totals[level] += delta
    assert tally(register) == tally_from_history(register)
    assert +totals == counts(register)


def test_rebuild_tally_mends_a_wrong_one(register, make_risk):
    make_risk(residual=(5, 5), at=MARCH)
    LevelTally.objects.filter(register=register).update(delta=7)
    LevelTally.objects.create(register=register, month_date=date(2020, 1, 1), level=2, delta=3)

    rebuild_tally(register)

    assert tally(register) == {(date(2026, 3, 1), 4): 1}


@pytest.mark.parametrize("state", ["draft", "closed"])
def test_tally_history_of_an_inactive_risk_sums_to_nothing(register, make_risk, state):
    make_risk(residual=None if state == "draft" else (3, 3), state=state)

    assert sum(tally_from_history(register).values()) == 0

"""Filters of lists: what each keeps, and that what makes no sense keeps nothing."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from risks.enums import Kind
from risks.filters import RiskFilter, _runs
from risks.models import Acceptance, Category, Risk
from risks.models.translated import Text
from risks.queries.risk_list import load_options
from risks.services.assessment import assess_risk

TODAY = timezone.localdate


@pytest.fixture
def found(cast, register):
    """`found("state=open")`: titles that the filter leaves to the owner of the cast."""

    def find(query, user=None):
        return sorted(each.title_en for each in narrowed(query, user).qs)

    def narrowed(query, user=None):
        return RiskFilter(
            QueryDict(query),
            Risk.objects.filter(team=cast.team),
            user=user or cast.owner,
            registers=[register],
            options=load_options(cast.team),
            today=TODAY(),
        )

    find.filter = narrowed
    return find


@pytest.fixture
def states(make_risk):
    for state in ("draft", "open", "treating", "accepted", "closed"):
        make_risk(title_en=state, state=state)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["accepted", "closed", "draft", "open", "treating"]),
        ("state=", ["accepted", "closed", "draft", "open", "treating"]),
        ("q=+", ["accepted", "closed", "draft", "open", "treating"]),
        ("state=open", ["open"]),
        ("state=open&state=draft", ["draft", "open"]),
        ("state=active", ["accepted", "open", "treating"]),
        ("state=active&state=open", ["accepted", "open", "treating"]),
        ("state=active&state=closed", ["accepted", "closed", "open", "treating"]),
    ],
)
def test_state_filter_keeps_those_in_any_of_the_states(found, states, query, titles):
    assert found(query) == titles


@pytest.mark.parametrize(
    "query",
    ["state=nonsense", "level=9", "owner=999999", "owner=99999999999999999999999", "category=x",
     "subcategory=x", "strategy=x", "late=x", "mine=2", "unassessed=yes", "moved=sideways", "kind=x",
     "ending=2",
     "probability=9", "impact=x", "q=%00", "q=" + "x" * 201],
)  # fmt: skip
def test_value_that_makes_no_sense_leaves_no_rows_and_one_error(found, states, query):
    narrowed = found.filter(query)

    assert not narrowed.qs.exists()
    assert len(narrowed.problems) == 1


def test_invalid_value_beside_a_valid_one_leaves_no_rows(found, states):
    assert found("state=open&level=9") == []


@pytest.fixture
def levels(make_risk):
    """One risk of each level of the default matrix, and one not assessed."""
    for title, cell in (("low", (1, 1)), ("medium", (3, 2)), ("high", (4, 4)), ("critical", (5, 5))):
        make_risk(title_en=title, residual=cell, inherent=(5, 5))
    make_risk(title_en="none")


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("level=4", ["critical"]),
        ("level=0", ["none"]),
        ("level=1&level=0", ["low", "none"]),
        ("level=4&level=2", ["critical", "medium"]),
        ("level=1&level=2&level=3&level=4", ["critical", "high", "low", "medium"]),
        ("kind=inherent&level=4", ["critical", "high", "low", "medium"]),
        ("kind=inherent&level=1", []),
        ("probability=4&impact=4", ["high"]),
        ("kind=inherent&probability=5&impact=5", ["critical", "high", "low", "medium"]),
        ("unassessed=1", ["none"]),
    ],
)
def test_level_and_cell_filters_read_the_position_of_the_kind(found, levels, query, titles):
    assert found(query) == titles


def test_unassessed_filter_counts_active_risks_only(found, make_risk):
    make_risk(title_en="open")
    make_risk(title_en="draft", state="draft")

    assert found("unassessed=1") == ["open"]
    assert found("level=0") == ["draft", "open"]


def test_owner_filter_knows_me_nobody_and_members(found, cast, make_risk):
    make_risk(title_en="mine", owner=cast.owner)
    make_risk(title_en="hers", owner=cast.manager)
    make_risk(title_en="nobody's")

    assert found("owner=me") == ["mine"]
    assert found("mine=1") == ["mine"]
    assert found("owner=none") == ["nobody's"]
    assert found(f"owner={cast.manager.pk}&owner=none") == ["hers", "nobody's"]
    assert found("owner=me", user=cast.manager) == ["hers"]


def test_owner_filter_takes_the_own_id_as_me(found, cast, make_risk):
    make_risk(title_en="mine", owner=cast.owner)
    make_risk(title_en="of another", owner=cast.manager)

    narrowed = found.filter(f"owner={cast.owner.pk}&owner=me")
    assert [each.title_en for each in narrowed.qs] == ["mine"]
    assert [(chip.value, chip.others) for chip in narrowed.chips] == [("Me", [])]
    assert [option.label for option in narrowed.menu("owner").options if option.chosen] == ["Me"]
    assert found(f"owner={cast.owner.pk}&owner={cast.manager.pk}") == ["mine", "of another"]


def test_ending_filter_keeps_acceptances_that_end_within_30_days_and_concern_the_user(found, cast, make_risk):
    accepted = Acceptance.objects.filter
    for title, owner, days in [("own", cast.owner, 30), ("own, later", cast.owner, 31), ("other", None, 1)]:
        risk = make_risk(title_en=title, state="accepted", owner=owner)
        accepted(risk=risk).update(until_date=TODAY() + timedelta(days=days), approver=cast.manager)
    ended = make_risk(title_en="ended", state="accepted", owner=cast.owner)
    accepted(risk=ended).update(until_date=TODAY(), ended_at=timezone.now())

    assert found("ending=1") == ["own"]
    assert found("ending=1", cast.manager) == ["other", "own"]
    assert found("ending=1", cast.reader) == []
    assert [str(chip.label) for chip in found.filter("ending=1").chips] == ["Acceptance ends soon"]


def test_category_filters_take_keys_of_both_levels(found, make_risk):
    technical = Category.objects.get(key="technical", parent=None)
    data = Category.objects.get(key="data", parent=technical)
    market = Category.objects.get(key="market", parent=None)
    make_risk(title_en="technical", category=technical)
    make_risk(title_en="data", category=technical, subcategory=data)
    make_risk(title_en="market", category=market)
    make_risk(title_en="none")

    assert found("category=technical") == ["data", "technical"]
    assert found("category=technical&category=market") == ["data", "market", "technical"]
    assert found("subcategory=technical-data") == ["data"]


def test_strategy_filter_knows_none(found, make_risk):
    make_risk(title_en="avoid", strategy="avoid")
    make_risk(title_en="none")

    assert found("strategy=avoid") == ["avoid"]
    assert found("strategy=none&strategy=avoid") == ["avoid", "none"]


def test_late_filter_tells_mitigations_from_reviews(found, make_risk, make_mitigation):
    yesterday = TODAY() - timedelta(days=1)
    overdue = make_risk(title_en="review late", next_review_date=yesterday)
    waiting = make_risk(title_en="mitigation late", next_review_date=TODAY())
    done = make_risk(title_en="in time", next_review_date=TODAY())
    make_mitigation(waiting, due_date=yesterday)
    make_mitigation(done, due_date=TODAY())
    make_mitigation(overdue, due_date=yesterday, state="done")

    assert found("late=review") == ["review late"]
    assert found("late=mitigation") == ["mitigation late"]
    assert found("late=any") == ["mitigation late", "review late"]


def test_moved_filter_reads_the_last_30_days(found, cast, make_risk):
    by, long_ago = cast.actor(cast.manager), timezone.now() - timedelta(days=90)
    for title, cell in (("worse", (5, 5)), ("better", (1, 1))):
        risk = make_risk(title_en=title, residual=(3, 3), at=long_ago)
        assess_risk(risk, Kind.RESIDUAL, *cell, by=by, reason=Text("Measured"))
    make_risk(title_en="new", residual=(3, 3))
    make_risk(title_en="old", residual=(3, 3), at=long_ago)

    assert found("moved=up") == ["worse"]
    assert found("moved=down") == ["better"]
    assert found("moved=new") == ["new"]
    assert found("moved=closed") == []


def test_filters_combine(found, cast, make_risk):
    make_risk(title_en="wanted data", owner=cast.owner, state="treating", residual=(5, 5))
    make_risk(title_en="other data", owner=cast.owner, residual=(1, 1))
    make_risk(title_en="third", owner=cast.owner, state="treating", residual=(5, 5))

    assert found("q=data&mine=1&state=active&level=4") == ["wanted data"]


def test_chips_name_every_value_and_what_stays_without_it(found, cast):
    chips = found.filter(f"q=x&state=open&state=closed&owner={cast.manager.pk}").chips

    assert [(str(chip.label), str(chip.value), chip.others) for chip in chips] == [
        ("State", "Open", ["closed"]),
        ("State", "Closed", ["open"]),
        ("Owner", "Manager", []),
    ]


def test_chip_of_a_wrong_value_carries_its_error(found):
    (chip,) = found.filter("state=bogus").chips

    assert chip.value == "bogus"
    assert len(chip.errors) == 1


def test_menu_of_categories_holds_their_subcategories(found):
    menu = found.filter("subcategory=technical-data").menu("category")

    assert [(option.name, option.value) for option in menu.options if option.chosen] == [
        ("subcategory", "technical-data")
    ]
    assert menu.options[0].name == "category"


def test_menu_escapes_labels(found, cast):
    cast.manager.name = "<b>Manager</b>"
    cast.manager.save()

    assert "<b>" not in found.filter("").menu("owner").body


@pytest.mark.parametrize(
    ("numbers", "runs"),
    [([0], [(0, 0)]), ([0, 1], [(0, 0), (1, 1)]), ([1, 2, 4], [(1, 2), (4, 4)]), ([3, 3], [(3, 3)])],
)
def test_runs_join_neighbours_but_not_zero(numbers, runs):
    assert _runs(numbers) == runs

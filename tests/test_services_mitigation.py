"""Attaching mitigations and moving them forward; indicators."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from risks.enums import MitigationState, Verb
from risks.exceptions import Conflict, NotAllowed
from risks.models import AuditEvent, Indicator, Mitigation
from risks.services.mitigation import (
    add_indicator,
    add_mitigation,
    delete_indicator,
    delete_mitigation,
    update_indicator,
    update_mitigation,
)

MONDAY = datetime(2026, 3, 9, 9, tzinfo=UTC)


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("id")


def test_add_mitigation_belongs_to_the_risk_and_its_team(cast, register, make_risk):
    risk = make_risk(owner=cast.owner)

    mitigation = add_mitigation(
        risk, {"title_en": "Test", "cost_amount": Decimal("1200.50")}, by=cast.actor(cast.owner), at=MONDAY
    )

    assert (mitigation.risk, mitigation.register, mitigation.team) == (risk, register, cast.team)
    assert (mitigation.created_at, mitigation.state, mitigation.done_date) == (MONDAY, "planned", None)
    assert (last_event().verb, last_event().object_type, last_event().object_label) == (
        Verb.CREATED, "mitigation", "Test",
    )  # fmt: skip


def test_add_mitigation_done_is_complete_on_its_day(cast, make_risk):
    mitigation = add_mitigation(
        make_risk(), {"title_en": "Test", "state": "done", "progress": 30}, by=cast.actor(cast.manager),
        at=MONDAY,
    )  # fmt: skip

    assert (mitigation.progress, mitigation.done_date) == (100, date(2026, 3, 9))


@pytest.mark.parametrize("who", ["reader", "contributor", "outsider"])
def test_add_mitigation_by_somebody_else_is_refused(cast, make_risk, who):
    with pytest.raises(NotAllowed):
        add_mitigation(make_risk(), {"title_en": "Test"}, by=cast.actor(getattr(cast, who)))


def test_add_mitigation_due_before_its_start_answers_with_its_sentence(cast, make_risk):
    with pytest.raises(ValidationError) as refused:
        add_mitigation(
            make_risk(),
            {"title_en": "Test", "start_date": date(2026, 5, 2), "due_date": date(2026, 5, 1)},
            by=cast.actor(cast.manager),
        )

    assert refused.value.messages == ["The due date lies before the start; move one of them."]


def test_update_mitigation_by_its_owner_moves_it_to_done(cast, make_risk, make_mitigation):
    mitigation = make_mitigation(make_risk(), owner=cast.contributor)

    updated = update_mitigation(
        mitigation, {"state": MitigationState.DONE}, by=cast.actor(cast.contributor), seen_version=1
    )

    assert (updated.progress, updated.done_date, updated.version) == (100, timezone.localdate(), 2)
    assert last_event().changes == {"state": ["planned", "done"], "progress": [0, 100]}


def test_update_mitigation_back_to_under_way_forgets_its_day_of_completion(cast, make_risk, make_mitigation):
    mitigation = make_mitigation(make_risk(), state="done")

    updated = update_mitigation(
        mitigation, {"state": "under_way", "progress": 60}, by=cast.actor(cast.manager)
    )

    assert (updated.progress, updated.done_date) == (60, None)


def test_update_mitigation_to_what_it_is_tells_nobody(cast, make_risk, make_mitigation):
    mitigation = make_mitigation(make_risk())
    before = last_event()

    update_mitigation(mitigation, {"state": "planned"}, by=cast.actor(cast.manager))

    assert last_event() == before


def test_update_mitigation_somebody_else_saved_raises_conflict(cast, make_risk, make_mitigation):
    mitigation = make_mitigation(make_risk())
    update_mitigation(mitigation, {"progress": 10}, by=cast.actor(cast.manager), seen_version=1)

    with pytest.raises(Conflict):
        update_mitigation(mitigation, {"progress": 90}, by=cast.actor(cast.manager), seen_version=1)

    assert Mitigation.objects.get(pk=mitigation.pk).progress == 10


def test_update_mitigation_of_a_field_that_is_not_editable_is_an_error(cast, make_risk, make_mitigation):
    with pytest.raises(TypeError):
        update_mitigation(make_mitigation(make_risk()), {"team": 1}, by=cast.actor(cast.manager))


def test_delete_mitigation_leaves_its_event(cast, make_risk, make_mitigation):
    risk = make_risk()
    mitigation = make_mitigation(risk)

    delete_mitigation(mitigation, by=cast.actor(cast.manager))

    assert not risk.mitigations.exists()
    assert (last_event().verb, last_event().risk) == (Verb.DELETED, risk)


def test_delete_mitigation_by_somebody_else_is_refused(cast, make_risk, make_mitigation):
    with pytest.raises(NotAllowed):
        delete_mitigation(make_mitigation(make_risk()), by=cast.actor(cast.contributor))


@pytest.mark.parametrize(
    ("state", "pending"), [("planned", True), ("under_way", True), ("done", False), ("dropped", False)]
)
def test_mitigations_late_are_pending_and_past_their_day(make_risk, make_mitigation, state, pending):
    mitigation = make_mitigation(make_risk(), state=state, due_date=date(2026, 5, 1))

    on_the_day, after = date(2026, 5, 1), date(2026, 5, 2)

    assert [mitigation.is_late(on_the_day), mitigation.is_late(after)] == [False, pending]
    assert Mitigation.objects.late(on_the_day).count() == 0
    assert Mitigation.objects.late(after).count() == int(pending)


def test_mitigations_late_first_puts_pending_then_dates_then_none(make_risk, make_mitigation):
    risk = make_risk()
    for title, values in {
        "no date": {},
        "done": {"state": "done", "due_date": date(2026, 1, 1)},
        "june": {"due_date": date(2026, 6, 1)},
        "may": {"due_date": date(2026, 5, 1)},
    }.items():
        make_mitigation(risk, title_en=title, **values)

    assert [m.title_en for m in Mitigation.objects.late_first()] == ["may", "june", "no date", "done"]


# --- indicators


def test_indicator_new_and_changed_writes_events(cast, make_risk):
    by = cast.actor(cast.manager)
    indicator = Indicator(risk=make_risk(), name_en="Errors", amber=1, red=2)

    add_indicator(indicator, by=by)
    assert last_event().verb == Verb.CREATED

    changed = update_indicator(indicator, {"red": 3}, by=by)
    assert (last_event().verb, last_event().changes) == (Verb.CHANGED, {"red": [2.0, 3]})
    assert (changed.red, changed.version) == (3, 2)


def test_update_indicator_to_what_it_is_tells_nobody(cast, make_risk):
    indicator = add_indicator(
        Indicator(risk=make_risk(), name_en="Errors", amber=1, red=2), by=cast.actor(cast.manager)
    )
    before = last_event()

    updated = update_indicator(indicator, {"red": 2}, by=cast.actor(cast.manager))

    assert (last_event(), updated.version) == (before, 1)


def test_add_indicator_by_somebody_else_is_refused(cast, make_risk):
    indicator = Indicator(risk=make_risk(), name_en="Errors", amber=1, red=2)

    with pytest.raises(NotAllowed):
        add_indicator(indicator, by=cast.actor(cast.contributor))


def test_delete_indicator_leaves_its_event(cast, make_risk):
    by = cast.actor(cast.manager)
    indicator = add_indicator(Indicator(risk=make_risk(), name_en="Errors", amber=1, red=2), by=by)

    delete_indicator(indicator, by=by)

    assert not Indicator.objects.exists()
    assert (last_event().verb, last_event().object_label) == (Verb.DELETED, "Errors")

"""Scoring: the trail of assessments, the risk's position, reasons and conflicts."""

from datetime import UTC, datetime, timedelta

import pytest

from risks.enums import Kind, Verb
from risks.exceptions import Conflict, Invalid, NotAllowed
from risks.models import Assessment, AuditEvent, Risk
from risks.models.translated import Text
from risks.services.assessment import assess_risk

MONDAY = datetime(2026, 3, 9, 9, tzinfo=UTC)
WHY = Text("Two incidents", "发生两起事件")


@pytest.mark.parametrize("kind", Kind.values)
def test_assess_first_time_sets_the_position_and_moves_nothing(cast, make_risk, kind):
    risk = make_risk(at=MONDAY - timedelta(days=1))

    assessment = assess_risk(risk, kind, 4, 3, by=cast.actor(cast.manager), at=MONDAY)

    risk.refresh_from_db()
    assert (assessment.score, assessment.level, assessment.rank, assessment.delta) == (7, 3, 3007, 0)
    assert (risk.position(kind), getattr(risk, f"{kind}_level")) == ((4, 3), 3)
    assert (getattr(risk, f"{kind}_score"), getattr(risk, f"{kind}_rank")) == (7, 3007)
    assert risk.updated_at == MONDAY
    assert [risk.position(other) for other in Kind if other != kind] == [None, None]


def test_assess_with_a_day_in_the_past_does_not_turn_back_the_last_change(cast, make_risk):
    risk = make_risk(at=MONDAY)

    assess_risk(risk, "residual", 3, 3, by=cast.actor(cast.manager), at=MONDAY - timedelta(days=3))

    assert Risk.objects.get(pk=risk.pk).updated_at == MONDAY


def test_assess_again_appends_with_the_difference_of_ranks(cast, make_risk):
    risk = make_risk(residual=(5, 5), at=MONDAY)

    later = assess_risk(
        risk, "residual", 3, 3, by=cast.actor(cast.manager), reason=WHY, at=MONDAY + timedelta(days=1)
    )

    assert (later.rank, later.delta) == (2006, 2006 - 4010)
    assert list(risk.assessments.values_list("probability", "impact")) == [(5, 5), (3, 3)]
    assert Risk.objects.get(pk=risk.pk).position("residual") == (3, 3)


def test_assess_writes_its_event(cast, make_risk):
    risk = make_risk(residual=(5, 5), owner=cast.owner)

    assess_risk(risk, "residual", 3, 3, by=cast.actor(cast.owner), reason=WHY)

    event = AuditEvent.objects.latest("id")
    assert (event.verb, event.risk, event.actor) == (Verb.ASSESSED, risk, cast.owner)
    assert event.reason == "Two incidents"
    assert event.changes == {"residual": [[5, 5], [3, 3]]}


def test_assess_to_another_level_without_reason_is_refused(cast, make_risk):
    risk = make_risk(residual=(2, 2))

    with pytest.raises(Invalid) as refused:
        assess_risk(risk, "residual", 5, 5, by=cast.actor(cast.manager))

    assert refused.value.field == "reason"
    assert Risk.objects.get(pk=risk.pk).position("residual") == (2, 2)


def test_assess_within_the_level_needs_no_reason(cast, make_risk):
    risk = make_risk(residual=(2, 3))

    assert assess_risk(risk, "residual", 3, 3, by=cast.actor(cast.manager)).delta == 1


def test_assess_target_worse_than_residual_without_reason_is_refused(cast, make_risk):
    with pytest.raises(Invalid, match="worse than the risk is now"):
        assess_risk(make_risk(residual=(2, 2)), "target", 2, 3, by=cast.actor(cast.manager))


def test_assess_target_worse_than_residual_with_reason_is_kept(cast, make_risk):
    risk = make_risk(residual=(2, 2))

    assess_risk(risk, "target", 2, 3, by=cast.actor(cast.manager), reason=WHY)

    assert Risk.objects.get(pk=risk.pk).position("target") == (2, 3)


@pytest.mark.parametrize("cell", [(0, 1), (1, 0), (6, 1), (1, 6), (-1, -1)])
def test_assess_off_the_matrix_is_refused(cast, make_risk, cell):
    with pytest.raises(Invalid) as refused:
        assess_risk(make_risk(), "residual", *cell, by=cast.actor(cast.manager))

    assert refused.value.field == "cell"


def test_assess_of_a_position_that_has_moved_raises_conflict(cast, make_risk):
    risk = make_risk(residual=(2, 2))
    assess_risk(risk, "residual", 2, 3, by=cast.actor(cast.manager), reason=WHY, seen_rank=1004)

    with pytest.raises(Conflict):
        assess_risk(risk, "residual", 3, 3, by=cast.actor(cast.manager), reason=WHY, seen_rank=1004)

    assert risk.assessments.count() == 2


@pytest.mark.parametrize("who", ["reader", "contributor", "outsider"])
def test_assess_by_somebody_else_is_refused(cast, make_risk, who):
    with pytest.raises(NotAllowed):
        assess_risk(make_risk(), "residual", 2, 2, by=cast.actor(getattr(cast, who)))


def test_assess_closed_risk_is_refused(cast, make_risk):
    with pytest.raises(NotAllowed):
        assess_risk(make_risk(state="closed"), "residual", 2, 2, by=cast.actor(cast.manager))


def test_assessment_is_never_changed_or_deleted(make_risk):
    assessment = make_risk(residual=(2, 2)).assessments.get()

    with pytest.raises(TypeError, match="never changed"):
        assessment.save()
    with pytest.raises(TypeError, match="never deleted"):
        assessment.delete()
    assert Assessment.objects.filter(pk=assessment.pk).exists()

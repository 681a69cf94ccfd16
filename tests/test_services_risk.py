"""Logging, changing, moving and deleting risks."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from risks.enums import Kind, Origin, State, Verb
from risks.exceptions import Conflict, Invalid, NotAllowed
from risks.models import Acceptance, AuditEvent, Category, Register, Risk, StateChange, Template
from risks.models.search import search_risks
from risks.models.translated import Text
from risks.rules import MOVES_BY_NAME
from risks.services.risk import (
    REVIEW_AFTER,
    bulk_update_risks,
    create_risk,
    delete_risk,
    expire_acceptances,
    move_risk,
    update_risk,
)
from tests.rows import remove

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
REASON = Text("Decided in the meeting", "会议决定")
IN_A_MONTH = timedelta(days=30)


def events_of(risk: Risk) -> list[str]:
    """The verbs of the risk's events, oldest first."""
    return list(AuditEvent.objects.filter(risk=risk).order_by("id").values_list("verb", flat=True))


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("id")


# --- create


def test_create_risk_by_contributor_is_a_draft(cast, register):
    risk = create_risk(register, {"title_en": "Noise"}, by=cast.actor(cast.contributor), at=NOON)

    assert (risk.state, risk.active, risk.code, risk.created_by) == (
        State.DRAFT, False, "VOICE-1", cast.contributor,
    )  # fmt: skip
    assert (risk.logged_at, risk.updated_at, risk.version) == (NOON, NOON, 1)
    assert risk.next_review_date is None


def test_create_risk_by_manager_is_open_and_due_for_its_first_review(cast, register):
    risk = create_risk(register, {"title_en": "Noise"}, by=cast.actor(cast.manager), at=NOON)

    assert (risk.state, risk.active) == (State.OPEN, True)
    assert risk.next_review_date == NOON.date() + REVIEW_AFTER


def test_create_risk_keeps_the_review_date_given(make_risk):
    assert make_risk(next_review_date=date(2026, 12, 1)).next_review_date == date(2026, 12, 1)


def test_create_risk_writes_its_state_and_events(make_risk, cast):
    risk = make_risk(residual=(3, 3), at=NOON)

    assert list(StateChange.objects.filter(risk=risk).values_list("from_state", "to_state", "moved_at")) == [
        ("", "open", NOON)
    ]
    assert events_of(risk) == [Verb.CREATED, Verb.ASSESSED]
    assert last_event().actor == cast.manager


def test_create_risk_numbers_each_register_on_its_own(cast, register, make_risk):
    codes = [make_risk().code, make_risk().code, cast.other_risk.code]

    assert codes == ["VOICE-1", "VOICE-2", "OTHER-1"]


def test_create_risk_after_deletion_does_not_use_a_number_again(cast, make_risk):
    delete_risk(make_risk(by=cast.contributor), by=cast.actor(cast.contributor))

    assert make_risk().code == "VOICE-2"


def test_create_risk_by_reader_is_refused_and_takes_no_number(cast, register):
    with pytest.raises(NotAllowed):
        create_risk(register, {"title_en": "Noise"}, by=cast.actor(cast.reader))

    assert Register.objects.get(pk=register.pk).next_number == 1


def test_create_risk_in_a_register_of_another_team_is_refused(cast):
    with pytest.raises(NotAllowed):
        create_risk(cast.other_register, {"title_en": "Noise"}, by=cast.actor(cast.manager))


def test_create_risk_without_title_is_refused_and_takes_no_number(cast, register):
    with pytest.raises(ValidationError):
        create_risk(register, {"title_en": ""}, by=cast.actor(cast.manager))

    assert Register.objects.get(pk=register.pk).next_number == 1


def test_create_risk_off_the_matrix_leaves_nothing_behind(cast, register):
    with pytest.raises(Invalid) as refused:
        create_risk(
            register, {"title_en": "Noise"}, by=cast.actor(cast.manager), positions={Kind.RESIDUAL: (6, 1)}
        )

    assert refused.value.field == "cell"
    assert not Risk.objects.filter(register=register).exists()


def test_create_risk_with_positions_carries_each(make_risk):
    risk = make_risk(inherent=(5, 5), residual=(3, 4), target=(2, 2))

    assert [risk.position(kind) for kind in Kind] == [(5, 5), (3, 4), (2, 2)]
    assert (risk.residual_score, risk.residual_level, risk.residual_rank) == (7, 3, 3007)


def test_create_risk_with_ranges_expects_middle_frequency_times_mean_severity(make_risk):
    risk = make_risk(
        frequency_low=0.1, frequency_high=0.3, impact_low=0.05, impact_likely=0.05, impact_high=0.05
    )

    assert risk.expected_loss == pytest.approx(0.01)


def test_create_risk_without_ranges_expects_nothing(make_risk):
    assert make_risk(frequency_low=0.1, frequency_high=0.3).expected_loss == 0


def test_create_risk_with_a_turned_range_answers_with_its_sentence(make_risk):
    with pytest.raises(ValidationError) as refused:
        make_risk(frequency_low=0.1, frequency_high=0.3, impact_low=2, impact_likely=2, impact_high=1)

    assert refused.value.messages == ["Give all three impacts above zero, from the lowest to the highest."]


def test_create_risk_with_subcategory_of_another_category_is_refused(make_risk):
    with pytest.raises(Invalid) as refused:
        make_risk(
            category=Category.objects.get(key="technical"), subcategory=Category.objects.get(key="privacy")
        )

    assert refused.value.field == "subcategory"


# --- update


def test_update_risk_writes_only_what_changed(cast, make_risk):
    risk = make_risk(title_en="Noise", cause_en="Traffic")

    updated = update_risk(
        risk, {"title_en": "Street noise", "cause_en": "Traffic", "owner": cast.owner},
        by=cast.actor(cast.manager), seen_version=1,
    )  # fmt: skip

    assert (updated.title_en, updated.owner, updated.version) == ("Street noise", cast.owner, 2)
    assert last_event().changes == {
        "title_en": ["Noise", "Street noise"], "owner": [None, {"user": cast.owner.pk}],
    }  # fmt: skip


def test_update_risk_to_what_it_is_writes_nothing(cast, make_risk):
    risk = make_risk(title_en="Noise")

    updated = update_risk(risk, {"title_en": "Noise"}, by=cast.actor(cast.manager))

    assert updated.version == 1
    assert events_of(risk) == [Verb.CREATED]


def test_update_risk_somebody_else_saved_raises_conflict(cast, make_risk):
    risk = make_risk(title_en="Noise")
    update_risk(risk, {"title_en": "First"}, by=cast.actor(cast.manager), seen_version=1)

    with pytest.raises(Conflict):
        update_risk(risk, {"title_en": "Second"}, by=cast.actor(cast.manager), seen_version=1)

    assert Risk.objects.get(pk=risk.pk).title_en == "First"


def test_update_risk_recomputes_the_expected_loss(cast, make_risk):
    risk = make_risk(frequency_low=0, frequency_high=0.2, impact_low=1, impact_likely=1, impact_high=1)

    updated = update_risk(risk, {"frequency_high": 0.4}, by=cast.actor(cast.manager))

    assert (risk.expected_loss, updated.expected_loss) == (pytest.approx(0.1), pytest.approx(0.2))


def test_update_risk_by_somebody_else_is_refused(cast, make_risk):
    with pytest.raises(NotAllowed):
        update_risk(make_risk(), {"title_en": "Mine"}, by=cast.actor(cast.contributor))


@pytest.mark.parametrize("name", ["state", "residual_rank", "code", "team"])
def test_update_risk_of_a_field_that_is_not_editable_is_an_error(cast, make_risk, name):
    with pytest.raises(TypeError):
        update_risk(make_risk(), {name: 1}, by=cast.actor(cast.manager))


# --- move


def test_move_risk_confirm_opens_the_draft_with_its_first_review(cast, make_risk):
    draft = make_risk(by=cast.contributor, at=NOON)

    risk = move_risk(draft, MOVES_BY_NAME["confirm"], by=cast.actor(cast.manager), at=NOON)

    assert (risk.state, risk.version) == (State.OPEN, 2)
    assert risk.next_review_date == NOON.date() + REVIEW_AFTER


def test_move_risk_writes_its_change_and_event(cast, make_risk):
    risk = make_risk(state="open")

    move_risk(risk, MOVES_BY_NAME["close"], by=cast.actor(cast.manager), reason=REASON, at=timezone.now())

    change = StateChange.objects.filter(risk=risk).latest("id")
    assert (change.from_state, change.to_state, change.reason_zh) == ("open", "closed", "会议决定")
    event = last_event()
    assert (event.verb, event.reason) == (Verb.MOVED, "Decided in the meeting")
    assert event.changes == {"state": ["open", "closed"]}


def test_move_risk_close_ends_its_reviews(cast, make_risk):
    assert make_risk(next_review_date=date(2026, 12, 1), state="closed").next_review_date is None


def test_move_risk_without_the_reason_it_needs_is_refused(cast, make_risk):
    risk = make_risk()

    with pytest.raises(Invalid) as refused:
        move_risk(risk, MOVES_BY_NAME["close"], by=cast.actor(cast.manager))

    assert (refused.value.field, Risk.objects.get(pk=risk.pk).state) == ("reason", State.OPEN)


def test_move_risk_accept_records_the_acceptance(cast, make_risk):
    until = timezone.localdate() + IN_A_MONTH

    risk = move_risk(
        make_risk(), MOVES_BY_NAME["accept"], by=cast.actor(cast.manager), reason=REASON,
        approver=cast.administrator, until=until,
    )  # fmt: skip

    acceptance = Acceptance.objects.get(risk=risk)
    assert (risk.state, risk.strategy) == ("accepted", "accept")
    assert (acceptance.approver, acceptance.until_date, acceptance.ended_at) == (
        cast.administrator, until, None,
    )  # fmt: skip
    assert acceptance.reason_en == "Decided in the meeting"


@pytest.mark.parametrize(
    ("approver", "days", "field"),
    [
        (None, 30, "approver"),
        ("owner", 30, "approver"),
        ("outsider", 30, "approver"),
        ("manager", None, "until"),
        ("manager", 0, "until"),
        ("manager", -1, "until"),
    ],
)
def test_move_risk_accept_without_its_demands_is_refused(cast, make_risk, approver, days, field):
    risk = make_risk()

    with pytest.raises(Invalid) as refused:
        move_risk(
            risk, MOVES_BY_NAME["accept"], by=cast.actor(cast.manager), reason=REASON,
            approver=getattr(cast, approver) if approver else None,
            until=None if days is None else timezone.localdate() + timedelta(days=days),
        )  # fmt: skip

    assert (refused.value.field, Risk.objects.get(pk=risk.pk).state) == (field, State.OPEN)


@pytest.mark.parametrize("move", ["withdraw", "close"])
def test_move_risk_out_of_accepted_ends_the_acceptance(cast, make_risk, move):
    risk = make_risk(state="accepted")
    now = timezone.now()

    move_risk(risk, MOVES_BY_NAME[move], by=cast.actor(cast.manager), reason=REASON, at=now)

    assert Acceptance.objects.get(risk=risk).ended_at == now


def test_move_risk_from_a_state_it_has_left_is_refused(cast, make_risk):
    stale = make_risk()
    move_risk(stale, MOVES_BY_NAME["close"], by=cast.actor(cast.manager), reason=REASON)

    with pytest.raises(NotAllowed):
        move_risk(stale, MOVES_BY_NAME["treat"], by=cast.actor(cast.manager))


# --- delete


def test_delete_risk_draft_leaves_its_event_and_no_word_in_the_index(cast, make_risk):
    risk = make_risk(title_en="Echo", by=cast.contributor)

    delete_risk(risk, by=cast.actor(cast.contributor))

    assert not Risk.objects.filter(pk=risk.pk).exists()
    assert (last_event().verb, last_event().object_label) == (Verb.DELETED, "VOICE-1 Echo")
    assert last_event().risk is None


def test_delete_risk_open_is_refused(cast, make_risk):
    with pytest.raises(NotAllowed):
        delete_risk(make_risk(), by=cast.actor(cast.manager))


# --- many at once


def test_bulk_update_changes_each_with_its_event(cast, make_risk):
    risks = [make_risk(owner=cast.contributor), make_risk(), make_risk(owner=cast.owner)]
    by = cast.actor(cast.manager).by_way_of(Origin.BULK)

    count = bulk_update_risks([risk.pk for risk in risks], {"owner": cast.owner}, by=by)

    assert count == 3
    assert [Risk.objects.get(pk=risk.pk).owner for risk in risks] == [cast.owner] * 3
    changed = AuditEvent.objects.filter(origin=Origin.BULK).order_by("risk_id")
    assert [(event.risk_id, event.changes) for event in changed] == [
        (risks[0].pk, {"owner": [{"user": cast.contributor.pk}, {"user": cast.owner.pk}]}),
        (risks[1].pk, {"owner": [None, {"user": cast.owner.pk}]}),
    ]


def test_bulk_update_new_category_drops_the_subcategory_of_the_old(cast, make_risk):
    technical, market = Category.objects.get(key="technical"), Category.objects.get(key="market")
    risk = make_risk(category=technical, subcategory=Category.objects.get(key="research"))

    bulk_update_risks([risk.pk], {"category": market}, by=cast.actor(cast.manager))

    risk.refresh_from_db()
    assert (risk.category, risk.subcategory) == (market, None)
    assert set(last_event().changes) == {"category", "subcategory"}


def test_bulk_update_same_category_keeps_the_subcategory(cast, make_risk):
    technical, research = Category.objects.get(key="technical"), Category.objects.get(key="research")
    risk = make_risk(category=technical, subcategory=research)

    bulk_update_risks([risk.pk], {"category": technical}, by=cast.actor(cast.manager))

    assert Risk.objects.get(pk=risk.pk).subcategory == research


def test_bulk_update_subcategory_of_another_category_is_refused(cast, make_risk):
    risk = make_risk(category=Category.objects.get(key="technical"))

    with pytest.raises(Invalid):
        bulk_update_risks(
            [risk.pk], {"subcategory": Category.objects.get(key="privacy")}, by=cast.actor(cast.manager)
        )


def test_bulk_update_with_a_risk_of_another_team_changes_none(cast, make_risk):
    ids = [make_risk().pk, cast.other_risk.pk]

    with pytest.raises(Invalid, match="not in this team"):
        bulk_update_risks(ids, {"owner": cast.owner}, by=cast.actor(cast.manager))
    assert not Risk.objects.exclude(owner=None).exists()


def test_bulk_update_by_contributor_is_refused(cast, make_risk):
    with pytest.raises(NotAllowed):
        bulk_update_risks([make_risk().pk], {"owner": cast.owner}, by=cast.actor(cast.contributor))


def test_bulk_update_with_a_closed_risk_changes_none_and_names_it(cast, make_risk):
    risks = [make_risk(), make_risk(state="closed")]

    with pytest.raises(Invalid, match="VOICE-2 is in a state"):
        bulk_update_risks([r.pk for r in risks], {"owner": cast.owner}, by=cast.actor(cast.manager))

    assert Risk.objects.filter(owner=cast.owner).count() == 0


def test_bulk_update_with_many_refused_names_ten(cast, make_risk):
    risks = [make_risk(state="draft") for _ in range(12)]

    with pytest.raises(Invalid) as refused:
        bulk_update_risks(
            [r.pk for r in risks], {}, by=cast.actor(cast.manager), move=MOVES_BY_NAME["close"],
            reason=REASON,
        )  # fmt: skip

    codes = ", ".join(f"VOICE-{n}" for n in range(1, 11))
    assert str(refused.value) == (
        f"Nothing was changed: 12 risks are in a state that does not allow it ({codes} …)."
    )


def test_bulk_move_does_what_single_moves_do(cast, make_risk):
    states = ("open", "treating", "accepted")
    one_by_one = [make_risk(residual=(4, 4), state=state, at=NOON) for state in states]
    together = [make_risk(residual=(4, 4), state=state, at=NOON) for state in states]
    by, close = cast.actor(cast.manager), MOVES_BY_NAME["close"]

    for risk in one_by_one:
        move_risk(risk, close, by=by, reason=REASON)
    bulk_update_risks([risk.pk for risk in together], {}, by=by, move=close, reason=REASON)

    assert [told(risk) for risk in together] == [told(risk) for risk in one_by_one]


def told(risk: Risk) -> dict[str, object]:
    """What a risk and its records say after a move, but for identity and time."""
    risk.refresh_from_db()
    changes = risk.state_changes.order_by("id").values_list("from_state", "to_state", "reason_en", "moved_by")
    events = risk.events.order_by("id").values_list("verb", "actor", "changes", "reason")
    return {
        "risk": (risk.state, risk.active, risk.version, risk.next_review_date, risk.strategy),
        "changes": list(changes),
        "events": list(events),
        "running": risk.acceptances.filter(ended_at=None).count(),
    }


def test_bulk_move_accept_is_refused(cast, make_risk):
    risk = make_risk()

    with pytest.raises(Invalid, match="one by one"):
        bulk_update_risks(
            [risk.pk], {}, by=cast.actor(cast.manager), move=MOVES_BY_NAME["accept"], reason=REASON
        )

    assert Risk.objects.get(pk=risk.pk).state == State.OPEN


def test_bulk_move_without_the_reason_it_needs_is_refused(cast, make_risk):
    with pytest.raises(Invalid) as refused:
        bulk_update_risks([make_risk().pk], {}, by=cast.actor(cast.manager), move=MOVES_BY_NAME["close"])

    assert refused.value.field == "reason"


@pytest.mark.parametrize("move", ["confirm", "treat", "withdraw", "close"])
def test_bulk_move_of_thirty_takes_the_queries_of_two(cast, make_risk, count_queries, move):
    state = MOVES_BY_NAME[move].from_states[-1]
    ids = [make_risk(residual=None if state == "draft" else (4, 3), state=state).pk for _ in range(32)]
    by = cast.actor(cast.manager)

    def moving(some: list[int]) -> int:
        return count_queries(
            lambda: bulk_update_risks(
                some, {"owner": cast.owner}, by=by, move=MOVES_BY_NAME[move], reason=REASON
            )
        )

    moving(ids[:1])  # writes the month's rows of the tally, which the next ones add to
    assert moving(ids[1:3]) == moving(ids[3:])


# --- acceptances that end


def test_expire_acceptances_reopens_those_past_their_day_only(cast, make_risk):
    ended, running = make_risk(state="accepted"), make_risk(state="accepted")
    last_day = timezone.localdate()
    Acceptance.objects.filter(risk=ended).update(until_date=last_day)

    assert expire_acceptances(last_day) == 0
    assert expire_acceptances(last_day + timedelta(days=1)) == 1

    ended.refresh_from_db()
    running.refresh_from_db()
    assert (ended.state, running.state) == (State.OPEN, State.ACCEPTED)
    assert ended.next_review_date == last_day + timedelta(days=1)
    assert Acceptance.objects.get(risk=ended).ended_at is not None
    assert (last_event().actor, last_event().origin) == (None, Origin.COMMAND)


def test_expire_acceptances_twice_reopens_once(make_risk):
    make_risk(state="accepted")
    later = timezone.localdate() + timedelta(days=365)

    assert [expire_acceptances(later), expire_acceptances(later)] == [1, 0]


def test_expire_acceptances_of_two_teams_writes_each_event_into_its_team(cast, make_risk):
    make_risk(state="accepted")
    move_risk(
        cast.other_risk, MOVES_BY_NAME["accept"], by=cast.actor(cast.outsider), reason=REASON,
        approver=cast.outsider, until=timezone.localdate() + IN_A_MONTH,
    )  # fmt: skip

    expire_acceptances(timezone.localdate() + timedelta(days=365))

    moved = AuditEvent.objects.filter(origin=Origin.COMMAND, verb=Verb.MOVED).order_by("team_id")
    assert [(event.team_id, event.object_label) for event in moved] == sorted(
        [(cast.team.pk, "VOICE-1 Risk 1"), (cast.other_team.pk, "OTHER-1 A risk of the other team")]
    )


# --- the index


def test_index_follows_creation_change_and_deletion(cast, make_risk):
    risk = make_risk(title_en="Echo", by=cast.contributor)
    assert list(search_risks(Risk.objects.all(), "echo")) == [risk]

    update_risk(risk, {"title_en": "Hum"}, by=cast.actor(cast.manager))
    assert list(search_risks(Risk.objects.all(), "echo")) == []
    assert list(search_risks(Risk.objects.all(), "hum")) == [risk]


def test_risk_from_a_template_keeps_it_when_the_template_goes(make_risk):
    template = Template.objects.get(code="TEC-01")
    risk = make_risk(template=template)

    remove(Template.objects.filter(pk=template.pk))

    assert Risk.objects.get(pk=risk.pk).template is None

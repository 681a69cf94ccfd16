"""Real threads, each with its own connection: no change is lost, none waits for ever, codes stay unique."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from risks.enums import State
from risks.exceptions import Conflict, Invalid, NotAllowed
from risks.models import Assessment, AuditEvent, Indicator, Mitigation, Register, Risk
from risks.models.translated import Text
from risks.rules import MOVES_BY_NAME, Actor
from risks.services.assessment import assess_risk
from risks.services.discussion import add_comment
from risks.services.mitigation import (
    add_indicator,
    add_mitigation,
    delete_mitigation,
    update_indicator,
    update_mitigation,
)
from risks.services.risk import bulk_update_risks, create_risk, delete_risk, move_risk, update_risk
from risks.services.tally import tally_from_history
from risks.services.team import update_register
from tests.browser import form_of
from tests.cast import Cast
from tests.test_services_tally import tally
from tests.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_connections")]

TEXTS = [f"{part}_{code}" for part in ("title", "cause", "event", "consequence") for code in ("en", "zh")]
WHY = Text("Seen in the meeting")


@pytest.fixture
def by(own_connections: None, cast: Cast) -> Actor:
    return cast.actor(cast.manager)


@pytest.fixture
def risk(own_connections: None, make_risk: Callable[..., Risk]) -> Risk:
    return make_risk(title_en="Noise", residual=(3, 3))


def outcome(ends: list[BaseException | None]) -> Counter[str]:
    """How many acts ended in which way; anything but a refusal of the domain is a mistake."""
    return Counter("done" if end is None else type(end).__name__ for end in ends)


# --- the same risk


@pytest.mark.parametrize("writers", [2, 4, 8])
def test_writers_of_different_fields_all_keep_what_they_wrote(risk: Risk, by: Actor, writers: int) -> None:
    acts = [partial(update_risk, risk, {name: f"By {name}"}, by=by) for name in TEXTS[:writers]]
    assert outcome(at_once(*acts)) == {"done": writers}
    now = Risk.objects.get(pk=risk.pk)
    assert {name: getattr(now, name) for name in TEXTS[:writers]} == {n: f"By {n}" for n in TEXTS[:writers]}
    assert now.version == risk.version + writers
    versions = [each.version for each in Risk.history.filter(id=risk.pk).order_by("history_id")]
    assert versions[-writers:] == list(range(risk.version + 1, risk.version + writers + 1))


@pytest.mark.parametrize("writers", [2, 8])
def test_of_writers_who_saw_the_same_version_exactly_one_wins(risk: Risk, by: Actor, writers: int) -> None:
    acts = [
        partial(update_risk, risk, {"title_en": f"Mine {number}"}, by=by, seen_version=risk.version)
        for number in range(writers)
    ]
    ends = at_once(*acts)
    assert outcome(ends) == {"done": 1, "Conflict": writers - 1}
    now = Risk.objects.get(pk=risk.pk)
    assert (now.title_en, now.version) == (f"Mine {ends.index(None)}", risk.version + 1)


def test_scoring_and_editing_at_once_keep_both(risk: Risk, by: Actor) -> None:
    for turn in range(3):
        places = [(1 + turn, 2), (2, 1 + turn)]
        ends = at_once(
            partial(update_risk, risk, {"cause_en": f"Cause {turn}"}, by=by),
            *(partial(assess_risk, risk, "residual", *place, by=by, reason=WHY) for place in places),
            partial(assess_risk, risk, "target", 1, 1 + turn, by=by, reason=WHY),
        )
        assert outcome(ends) == {"done": 4}
        now = Risk.objects.get(pk=risk.pk)
        newest = Assessment.objects.filter(risk=risk, kind="residual").latest("id")
        assert (now.cause_en, now.position("target")) == (f"Cause {turn}", (1, 1 + turn))
        assert now.position("residual") == (newest.probability, newest.impact)
    assert tally(risk.register) == tally_from_history(risk.register)


def test_scorings_of_the_same_position_let_one_win(risk: Risk, by: Actor) -> None:
    seen = Risk.objects.get(pk=risk.pk).residual_rank
    acts = [
        partial(assess_risk, risk, "residual", 5, impact, by=by, reason=WHY, seen_rank=seen)
        for impact in (2, 3, 4, 5)
    ]
    assert outcome(at_once(*acts)) == {"done": 1, "Conflict": 3}


def test_moves_to_different_states_let_one_win(risk: Risk, by: Actor) -> None:
    acts = [partial(move_risk, risk, MOVES_BY_NAME["close"], by=by, reason=WHY) for _ in range(4)]
    assert outcome(at_once(*acts)) == {"done": 1, "NotAllowed": 3}
    assert AuditEvent.objects.filter(risk=risk, verb="moved").count() == 1
    assert tally(risk.register) == tally_from_history(risk.register)


def test_closing_while_others_edit_leaves_nothing_after_the_end(risk: Risk, by: Actor) -> None:
    mitigation = add_mitigation(risk, {"title_en": "Test"}, by=by)
    ends = at_once(
        partial(move_risk, risk, MOVES_BY_NAME["close"], by=by, reason=WHY),
        partial(update_risk, risk, {"title_en": "Late"}, by=by),
        partial(update_mitigation, mitigation, {"title_en": "Late"}, by=by),
        partial(add_mitigation, risk, {"title_en": "Late"}, by=by),
        partial(add_indicator, Indicator(risk=risk, name_en="Late", amber=1, red=2), by=by),
    )
    assert ends[0] is None
    assert set(outcome(ends)) <= {"done", "NotAllowed"}
    closed = AuditEvent.objects.get(risk=risk, verb="moved")
    assert not AuditEvent.objects.filter(risk=risk, id__gt=closed.pk).exists()


# --- many at once against one


def test_many_at_once_and_single_edits_keep_both(
    by: Actor, cast: Cast, make_risk: Callable[..., Risk]
) -> None:
    risks = [make_risk() for _ in range(6)]
    ids = [each.pk for each in risks]
    ends = at_once(
        partial(bulk_update_risks, ids, {"owner": cast.owner}, by=by),
        partial(bulk_update_risks, ids[::-1], {}, by=by, move=MOVES_BY_NAME["treat"]),
        partial(bulk_update_risks, ids[3:], {"next_review_date": timezone.localdate()}, by=by),
        *(partial(update_risk, each, {"cause_en": f"Of {each.code}"}, by=by) for each in risks),
    )
    assert outcome(ends) == {"done": 9}
    for number, each in enumerate(Risk.objects.filter(pk__in=ids).order_by("pk")):
        found = (each.owner, each.state, each.cause_en, each.next_review_date == timezone.localdate())
        assert found == (cast.owner, State.TREATING, f"Of {each.code}", number >= 3)
    assert tally(risks[0].register) == tally_from_history(risks[0].register)


def test_many_at_once_that_saw_an_older_version_changes_none(
    by: Actor, cast: Cast, make_risk: Callable[..., Risk]
) -> None:
    risks = [make_risk() for _ in range(4)]
    ids, seen = [each.pk for each in risks], {each.pk: each.version for each in risks}
    ends = at_once(
        partial(bulk_update_risks, ids, {"owner": cast.owner}, by=by, seen=seen),
        partial(bulk_update_risks, ids[::-1], {"owner": cast.reader}, by=by, seen=seen),
    )
    assert outcome(ends) == {"done": 1, "Conflict": 1}
    owners = set(Risk.objects.filter(pk__in=ids).values_list("owner", flat=True))
    assert owners == {(cast.owner if ends[0] is None else cast.reader).pk}


# --- numbers


def test_risks_logged_at_once_have_codes_of_their_own(by: Actor, register: Register) -> None:
    def log(name: str) -> None:
        for number in range(3):
            create_risk(register, {"title_en": f"{name} {number}"}, by=by, positions={"residual": (2, 3)})

    assert outcome(at_once(*(partial(log, name) for name in "abcdefgh"))) == {"done": 8}
    numbers = sorted(Risk.objects.filter(register=register).values_list("number", flat=True))
    assert numbers == list(range(1, 25))
    assert Register.objects.get(pk=register.pk).next_number == 25
    assert tally(register) == tally_from_history(register)


# --- what hangs on a risk, and registers


def test_parts_of_one_risk_are_changed_at_once_by_everybody(risk: Risk, by: Actor) -> None:
    mitigation = add_mitigation(risk, {"title_en": "Test"}, by=by)
    indicator = add_indicator(Indicator(risk=risk, name_en="Errors", amber=1, red=2), by=by)
    ends = at_once(
        partial(update_risk, risk, {"title_en": "Changed"}, by=by),
        partial(update_mitigation, mitigation, {"title_en": "Changed"}, by=by),
        partial(update_mitigation, mitigation, {"title_zh": "改"}, by=by),
        partial(update_mitigation, mitigation, {"progress": 40}, by=by),
        partial(update_indicator, indicator, {"name_en": "Changed"}, by=by),
        partial(update_indicator, indicator, {"red": 9}, by=by),
        partial(update_register, risk.register, {"name_zh": "改"}, by=_administrator(by)),
        partial(update_register, risk.register, {"name_en": "Changed"}, by=_administrator(by)),
    )
    assert outcome(ends) == {"done": 8}
    now = Mitigation.objects.get(pk=mitigation.pk)
    assert (now.title_en, now.title_zh, now.progress, now.version) == ("Changed", "改", 40, 4)
    changed = Indicator.objects.get(pk=indicator.pk)
    assert (changed.name_en, changed.red, changed.version) == ("Changed", 9, 3)
    register = Register.objects.get(pk=risk.register_id)
    assert (register.name_en, register.name_zh, register.version) == ("Changed", "改", 3)


def _administrator(by: Actor) -> Actor:
    return Actor.system(by.team_id)


def test_mitigation_deleted_while_it_is_edited_stays_deleted(risk: Risk, by: Actor) -> None:
    for _turn in range(3):
        mitigation = add_mitigation(risk, {"title_en": "Test"}, by=by)
        ends = at_once(
            partial(delete_mitigation, mitigation, by=by),
            partial(update_mitigation, mitigation, {"title_en": "Changed"}, by=by),
            partial(delete_mitigation, mitigation, by=by),
        )
        assert {type(end) for end in ends} <= {type(None), Conflict}
        assert not Mitigation.objects.filter(pk=mitigation.pk).exists()
        assert AuditEvent.objects.filter(object_id=mitigation.pk, verb="deleted").count() == 1


def test_draft_deleted_while_it_is_worked_on_goes_as_a_whole(
    by: Actor, make_risk: Callable[..., Risk]
) -> None:
    for _turn in range(3):
        draft = make_risk(state="draft")
        mitigation = add_mitigation(draft, {"title_en": "Test"}, by=by)
        ends = at_once(
            partial(delete_risk, draft, by=by),
            partial(update_mitigation, mitigation, {"title_en": "Changed"}, by=by),
            partial(add_mitigation, draft, {"title_en": "Another"}, by=by),
            partial(update_risk, draft, {"title_en": "Changed"}, by=by),
            partial(assess_risk, draft, "residual", 2, 2, by=by),
        )
        assert ends[0] is None
        assert {type(end) for end in ends} <= {type(None), Conflict, NotAllowed}
        assert not Risk.objects.filter(pk=draft.pk).exists()
        assert not Mitigation.objects.filter(risk=draft.pk).exists()


def test_storm_of_acts_ends_with_books_that_agree(
    by: Actor, cast: Cast, make_risk: Callable[..., Risk]
) -> None:
    """Every kind of act in every order: nothing waits for ever, and nothing but refusals comes back."""
    risks = [make_risk(residual=(3, 3)) for _ in range(3)]
    mitigations = [add_mitigation(risk, {"title_en": "Test"}, by=by) for risk in risks]
    ids = [risk.pk for risk in risks]
    moves = [move for move in MOVES_BY_NAME.values() if not move.needs_approval]

    def act(choice: random.Random) -> None:
        risk, mitigation = choice.choice(risks), choice.choice(mitigations)
        choice.choice(
            [
                lambda: update_risk(risk, {choice.choice(TEXTS): str(choice.random())}, by=by),
                lambda: assess_risk(
                    risk, "residual", choice.randint(1, 5), choice.randint(1, 5), by=by, reason=WHY
                ),
                lambda: move_risk(risk, choice.choice(moves), by=by, reason=WHY),
                lambda: bulk_update_risks(choice.sample(ids, 2), {"owner": cast.owner}, by=by),
                lambda: bulk_update_risks(ids[::-1], {}, by=by, move=choice.choice(moves), reason=WHY),
                lambda: update_mitigation(mitigation, {"progress": choice.randint(0, 99)}, by=by),
                lambda: add_mitigation(risk, {"title_en": "New"}, by=by),
                lambda: create_risk(risk.register, {"title_en": "New"}, by=by),
                lambda: add_comment(risk, f"Like {choice.choice(risks).code}", by=by),
            ]
        )()

    def storm(seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(12):
            try:
                act(choice)
            except (Conflict, Invalid, NotAllowed):
                continue

    assert outcome(at_once(*(partial(storm, seed) for seed in range(6)))) == {"done": 6}
    register = risks[0].register
    assert tally(register) == tally_from_history(register)
    for now in Risk.objects.filter(register=register):
        assert now.comment_count == now.comments.count()
        assert Risk.history.filter(id=now.pk).latest("history_id").version == now.version


# --- through the pages


def test_forms_sent_at_once_merge_or_ask(risk: Risk, cast: Cast) -> None:
    url = "/t/acme/risks/VOICE-1/edit/"
    people = [cast.manager, cast.administrator]
    clients = [_client(person) for person in people * 2]
    changes: list[dict[str, Any]] = [
        {"cause_en": "Mine"}, {"event_en": "Mine"}, {"consequence_en": "Mine"}, {"strategy": "avoid"},
    ]  # fmt: skip
    forms = [form_of(client, url, **change) for client, change in zip(clients, changes, strict=True)]
    answers = _send(clients, url, forms)
    assert answers == [302] * 4
    now = Risk.objects.get(pk=risk.pk)
    found = (now.cause_en, now.event_en, now.consequence_en, now.strategy)
    assert found == ("Mine", "Mine", "Mine", "avoid")

    forms = [form_of(client, url, title_en=f"Title {number}") for number, client in enumerate(clients)]
    answers = _send(clients, url, forms)
    assert sorted(answers) == [302, 409, 409, 409]
    assert Risk.objects.get(pk=risk.pk).title_en == f"Title {answers.index(302)}"


def _client(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def _send(clients: list[Client], url: str, forms: list[dict[str, Any]]) -> list[int]:
    answers = [0] * len(clients)

    def send(number: int) -> None:
        answers[number] = clients[number].post(url, forms[number]).status_code

    ends = at_once(*(partial(send, number) for number in range(len(clients))))
    assert outcome(ends) == {"done": len(clients)}
    return answers

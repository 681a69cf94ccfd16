"""Undo: of which lines, by whom, and what it leaves."""

from __future__ import annotations

import re
from datetime import date

import pytest

from risks.enums import Verb
from risks.exceptions import Conflict, Invalid, NotAllowed
from risks.models import AuditEvent, Category, Indicator, Mitigation, Risk
from risks.models.translated import Text
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.mitigation import add_indicator, delete_mitigation, update_indicator, update_mitigation
from risks.services.risk import move_risk, update_risk
from risks.services.team import update_register
from risks.services.undo import undo_change
from tests.rows import change


def last(**which):
    return AuditEvent.objects.filter(**which).latest("id")


@pytest.fixture
def by(cast):
    return cast.actor(cast.manager)


@pytest.fixture
def risk(make_risk, cast):
    return make_risk(title_en="Noise", owner=cast.owner)


def buttons(cast, person, page="/t/acme/activity/"):
    """Labels of the undo buttons of a page, and the reason of those that cannot be pressed."""
    html = cast.client_for(person).get(page).content.decode()
    found = re.findall(r'<button class="undo"([^>]*)>[^<]*<span[^>]*> ([^<]*)</span></button>', html)
    return [(label, (re.findall('title="(.*?)"', attributes) or [""])[0]) for attributes, label in found]


# --- what comes back


def test_undo_gives_the_field_back_and_refers_to_the_line(risk, by, cast):
    update_risk(risk, {"title_en": "Hum", "owner": cast.manager}, by=by)
    event = last()
    undo_change(event, "owner", by=by)
    risk.refresh_from_db()
    line = last()

    assert (risk.owner, risk.title_en, risk.version) == (cast.owner, "Hum", 3)
    assert (line.verb, line.undoes_id, line.actor) == (Verb.UNDONE, event.pk, cast.manager)
    assert line.changes == {"owner": [{"user": cast.manager.pk}, {"user": cast.owner.pk}]}
    assert Risk.history.filter(id=risk.pk).first().owner_id == cast.owner.pk


def test_undo_can_be_undone(risk, by):
    update_risk(risk, {"title_en": "Hum"}, by=by)
    undo_change(last(), "title_en", by=by)
    undo_change(last(), "title_en", by=by)

    assert Risk.objects.get(pk=risk.pk).title_en == "Hum"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("next_review_date", date(2027, 1, 1), date(2027, 2, 2)),
        ("strategy", "reduce", "avoid"),
        ("cause_zh", "", "噪声"),
        ("owner", None, None),
    ],
)
def test_undo_of_every_kind_of_field_of_a_risk(risk, by, cast, name, before, after):
    after = cast.manager if name == "owner" else after
    update_risk(risk, {name: before, "title_en": "Other"}, by=by)
    update_risk(risk, {name: after}, by=by)
    undo_change(last(), name, by=by)

    assert getattr(Risk.objects.get(pk=risk.pk), name) == before


def test_undo_of_a_category_brings_its_subcategory_back(risk, by):
    technical, data = Category.objects.get(key="technical"), Category.objects.get(key="data")
    market, demand = Category.objects.get(key="market"), Category.objects.get(key="demand")
    update_risk(risk, {"category": technical, "subcategory": data}, by=by)
    update_risk(risk, {"category": market, "subcategory": demand}, by=by)
    undo_change(last(), "category", by=by)
    risk.refresh_from_db()

    assert (risk.category, risk.subcategory) == (technical, data)


def test_undo_works_for_mitigations_indicators_and_registers(risk, by, cast, make_mitigation, register):
    mitigation = make_mitigation(risk, cost_amount=500, title_en="Test")
    update_mitigation(mitigation, {"cost_amount": 800, "state": "done"}, by=by)
    event = last()
    undo_change(event, "cost_amount", by=by)
    undo_change(event, "state", by=by)
    mitigation.refresh_from_db()
    assert (mitigation.cost_amount, mitigation.state, mitigation.progress) == (500, "planned", 0)

    indicator = add_indicator(Indicator(risk=risk, name_en="Rate", amber=1, red=2), by=by)
    update_indicator(indicator, {"amber": 5, "red": 9}, by=by)
    undo_change(last(), "red", by=by)
    indicator.refresh_from_db()
    assert (indicator.amber, indicator.red) == (1, 2)

    administrator = cast.actor(cast.administrator)
    update_register(register, {"budget_amount": 5}, by=administrator)
    undo_change(last(), "budget_amount", by=administrator)
    register.refresh_from_db()
    assert register.budget_amount == 10_000_000


# --- what does not


def test_undo_of_what_was_changed_since_is_a_conflict(risk, by):
    update_risk(risk, {"title_en": "Hum"}, by=by)
    event = last()
    update_risk(risk, {"title_en": "Hiss"}, by=by)
    count = AuditEvent.objects.count()

    with pytest.raises(Conflict, match="changed again since"):
        undo_change(event, "title_en", by=by)
    assert (Risk.objects.get(pk=risk.pk).title_en, AuditEvent.objects.count()) == ("Hiss", count)


def test_undo_about_something_that_is_gone_is_a_conflict(risk, by, make_mitigation):
    mitigation = make_mitigation(risk)
    update_mitigation(mitigation, {"title_en": "Other"}, by=by)
    event = last()
    delete_mitigation(Mitigation.objects.select_related("risk__register").get(pk=mitigation.pk), by=by)

    with pytest.raises(Conflict, match="deleted since"):
        undo_change(event, "title_en", by=by)


def test_scores_states_and_other_acts_cannot_be_undone(risk, by):
    assess_risk(risk, "residual", 3, 3, by=by, reason=Text("Look"))
    with pytest.raises(Invalid, match="given anew"):
        undo_change(last(), "residual", by=by)
    move_risk(risk, MOVES_BY_NAME["treat"], by=by)
    with pytest.raises(Invalid, match="given anew"):
        undo_change(last(), "state", by=by)
    for name in ("", "team", "title_en", "version", "\0"):
        with pytest.raises(Invalid):
            undo_change(last(), name, by=by)


def test_owner_who_has_left_does_not_come_back(risk, by, cast):
    update_risk(risk, {"owner": cast.manager}, by=by)
    change(cast.owner.memberships.all(), is_active=False)

    with pytest.raises(Invalid, match="no longer in the team"):
        undo_change(last(verb=Verb.CHANGED), "owner", by=by)


def test_old_line_without_ids_offers_no_undo(risk, by, cast):
    AuditEvent.objects.create(
        team=cast.team, register=risk.register, risk=risk, verb=Verb.CHANGED, object_type="risk",
        object_id=risk.pk, object_label=str(risk), changes={"owner": ["Manager", "Owner"]},
        happened_at=risk.logged_at,
    )  # fmt: skip

    with pytest.raises(Conflict):
        undo_change(last(), "owner", by=by)
    assert buttons(cast, cast.manager) == []


def test_who_may_not_change_it_may_not_undo_it(risk, by, cast):
    update_risk(risk, {"title_en": "Hum"}, by=by)

    for person in (cast.reader, cast.contributor, cast.outsider):
        with pytest.raises(NotAllowed):
            undo_change(last(verb=Verb.CHANGED), "title_en", by=cast.actor(person))


def test_value_that_no_longer_fits_is_refused_in_a_sentence(risk, by, cast):
    update_risk(risk, {"title_en": "", "title_zh": "噪声"}, by=by)
    event = last()
    update_risk(risk, {"title_en": "Hum"}, by=by)
    update_risk(risk, {"title_zh": ""}, by=by)
    undo_change(last(), "title_zh", by=by)
    undo_change(event, "title_zh", by=by)  # back to no Chinese title: the English one is there

    assert Risk.objects.get(pk=risk.pk).title_zh == ""
    update_risk(risk, {"title_en": "", "title_zh": "噪声"}, by=by)
    client = cast.client_for(cast.manager)
    answer = client.post(f"/t/acme/activity/{last().pk}/undo/", {"field": "title_zh"})
    assert (answer.status_code, "Give the risk a title." in answer.content.decode()) == (422, True)


# --- on the pages


def test_button_stands_at_the_last_change_of_a_field_only(risk, by, cast):
    update_risk(risk, {"title_en": "Hum", "strategy": "reduce"}, by=by)
    update_risk(risk, {"title_en": "Hiss"}, by=by)
    closed = "Only the owner of the risk or a manager can change it."

    for page in ("/t/acme/activity/", "/t/acme/activity/?register=VOICE", "/t/acme/risks/VOICE-1/"):
        assert buttons(cast, cast.manager, page) == [("Title (English)", ""), ("Strategy", "")], page
        assert buttons(cast, cast.contributor, page) == [("Title (English)", closed), ("Strategy", closed)]
        assert {why for _label, why in buttons(cast, cast.reader, page)} == {"Readers cannot change risks."}


def test_button_says_that_the_owner_of_before_has_left(risk, by, cast):
    update_risk(risk, {"owner": cast.manager}, by=by)
    pages = ("/t/acme/activity/", "/t/acme/risks/VOICE-1/", "/t/acme/risks/VOICE-1/?page=1")
    assert [buttons(cast, cast.manager, page) for page in pages] == [[("Owner", "")]] * 3
    change(cast.owner.memberships.all(), is_active=False)

    gone = "This person is no longer in the team. Choose somebody else."
    assert [buttons(cast, cast.manager, page) for page in pages] == [[("Owner", gone)]] * 3
    part = cast.client_for(cast.manager).get(
        pages[1], headers={"HX-Request": "true", "HX-Target": "activity"}
    )
    assert f'disabled title="{gone}"' in part.text


def test_pressing_undo_goes_back_to_where_one_was(risk, by, cast):
    update_risk(risk, {"title_en": "Hum"}, by=by)
    url = f"/t/acme/activity/{last().pk}/undo/"
    client = cast.client_for(cast.owner)
    answer = client.post(url, {"field": "title_en", "next": "/t/acme/risks/VOICE-1/#activity"})

    assert (answer.status_code, answer["Location"]) == (302, "/t/acme/risks/VOICE-1/#activity")
    assert Risk.objects.get(pk=risk.pk).title_en == "Noise"
    again = client.post(url, {"field": "title_en", "next": "https://evil.example/"})
    assert (again.status_code, "changed again since" in again.content.decode()) == (409, True)


def test_undo_never_leads_elsewhere(risk, by, cast):
    update_risk(risk, {"title_en": "Hum"}, by=by)
    answer = cast.client_for(cast.manager).post(
        f"/t/acme/activity/{last().pk}/undo/", {"field": "title_en", "next": "//evil.example/"}
    )

    assert answer["Location"] == "/t/acme/activity/"


def test_undo_of_a_foreign_or_hidden_or_unknown_line_is_not_found(risk, by, cast):
    update_risk(risk, {"title_en": "Hum"}, by=by)
    url = f"/t/acme/activity/{last().pk}/undo/"

    assert cast.client_for(cast.outsider).post(url, {"field": "title_en"}).status_code == 404
    assert cast.client_for(cast.outsider).post(
        f"/t/other/activity/{last().pk}/undo/", {"field": "title_en"}
    ).status_code == 404  # fmt: skip
    client = cast.client_for(cast.manager)
    for pk in (10**9, 10**20):
        assert client.post(f"/t/acme/activity/{pk}/undo/", {"field": "title_en"}).status_code == 404
    assert client.get(url).status_code == 405
    assert cast.client_for(cast.reader).post(url, {"field": "title_en"}).status_code == 403
    assert client.post(url, {"field": "team"}).status_code == 422

"""The activity of a team and of a register: who sees which lines, in what words, narrowed and as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from risks.enums import Origin, Verb
from risks.models import AuditEvent, Indicator, Membership
from risks.models.translated import Text
from risks.queries.trail import SHOWN, Mark
from risks.rules import MOVES_BY_NAME, Actor
from risks.services.assessment import assess_risk
from risks.services.audit import build_event, record
from risks.services.mitigation import add_indicator, update_mitigation
from risks.services.risk import bulk_update_risks, delete_risk, move_risk, update_risk
from risks.services.seal import seal_events
from risks.services.team import create_register, update_register
from tests.rows import change

ACTIVITY = "/t/acme/activity/"


@pytest.fixture
def show(cast, register):
    def get(query="", by=cast.manager, **kwargs):
        return cast.client_for(by).get(f"{ACTIVITY}{query}", **kwargs)

    return get


def acts(response):
    """What each line says without its tags, the newest first."""
    return [f"{line.who} {re.sub('<[^>]+>', '', line.act)}" for line in response.context["lines"]]


def labels(line):
    return [(each.label, each.before, each.after) for each in line.changes]


# --- words


def test_lines_tell_who_did_what_to_which_object(show, cast, make_risk, make_mitigation):
    risk = make_risk(title_en="Drift")
    mitigation = make_mitigation(risk, title_en="Test more")
    update_mitigation(mitigation, {"owner": cast.owner}, by=cast.actor(cast.manager))
    response = show()
    lines = response.context["lines"]

    assert acts(response)[:3] == [
        "Manager changed the mitigation Test more",
        "Manager created the mitigation Test more",
        "Manager created the risk VOICE-1 Drift",
    ]
    assert labels(lines[0]) == [("Owner", "", "Owner")]
    assert '<a href="/t/acme/risks/VOICE-1/" dir="auto">Test more</a>' in lines[0].act
    assert '<a href="/t/acme/risks/VOICE-1/" dir="auto">VOICE-1 Drift</a>' in lines[2].act


def test_lines_about_what_is_gone_are_plain_text(show, cast, make_risk):
    risk = make_risk(state="draft", title_en="Mistake")
    delete_risk(risk, by=cast.actor(cast.contributor))
    response = show()

    assert acts(response)[:2] == [
        "Contributor deleted the risk VOICE-1 Mistake",
        "Contributor created the risk VOICE-1 Mistake",
    ]
    assert "href" not in response.context["lines"][0].act


def test_somebody_who_has_left_is_named_as_such(show, cast, make_risk):
    make_risk(by=cast.owner, state="draft")
    change(cast.owner.memberships.all(), is_active=False)

    assert show().context["lines"][0].who == "Owner (left)"


def test_positions_states_dates_and_reasons_are_words(show, cast, make_risk):
    risk = make_risk()
    by = cast.actor(cast.manager)
    assess_risk(risk, "residual", 5, 5, by=by, reason=Text("Worse", "更糟"))
    move_risk(
        risk, MOVES_BY_NAME["accept"], by=by, reason=Text("Known"), approver=cast.manager,
        until=date(2099, 3, 5),
    )  # fmt: skip
    update_risk(risk, {"impact_low": 0.02, "impact_likely": 0.03, "impact_high": 0.1}, by=by)
    lines = show().context["lines"]

    assert labels(lines[0])[0] == ("Impact from", "", "2 %")
    assert labels(lines[1]) == [
        ("State", "Open", "Accepted"), ("Approved by", "", "Manager"), ("Until", "", "5 Mar 2099"),
    ]  # fmt: skip
    assert (lines[1].reason, lines[2].reason) == ("Known", "Worse")
    assert labels(lines[2]) == [("Residual", "", "Almost certain × Severe (Critical)")]


def test_page_in_chinese_reads_as_chinese(show, cast, make_risk, register):
    risk = make_risk(title_en="Drift", title_zh="漂移")
    assess_risk(risk, "residual", 5, 5, by=cast.actor(cast.manager), reason=Text("Worse", "更糟"))
    cast.client_for(cast.manager).cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    line = show().context["lines"][0]

    assert ("VOICE-1 漂移" in line.act, line.reason) == (True, "更糟")


def test_changes_of_a_register_are_told_field_by_field(show, cast, register):
    update_register(
        register, {"budget_amount": 12_500_000, "currency": "EUR"}, by=cast.actor(cast.administrator)
    )
    line = show().context["lines"][0]

    assert labels(line) == [("Yearly budget", "10,000,000", "12,500,000"), ("Currency", "CNY", "EUR")]
    assert '<a href="/t/acme/risks/?register=VOICE"' in line.act


def test_origin_is_a_tag(show, cast, make_risk):
    risk = make_risk()
    bulk_update_risks([risk.pk], {"owner": cast.owner}, by=cast.actor(cast.manager))

    assert '<span class="tag">many at once</span>' in show().context["lines"][0].html


def test_text_that_people_typed_is_never_html(show, cast, make_risk):
    risk = make_risk(title_en="<script>1</script> %(name)s")
    update_risk(risk, {"cause_en": "<b>bold</b> 100%"}, by=cast.actor(cast.manager))
    html = show().content.decode()

    assert "<script>1" not in html
    assert "&lt;script&gt;1&lt;/script&gt; %(name)s" in html
    assert "&lt;b&gt;bold&lt;/b&gt; 100%" in html


# --- who sees what


def test_managers_see_members_and_sign_ins_and_others_do_not(show, cast, register):
    member = cast.reader.memberships.get()
    record(
        Verb.CHANGED, member, by=cast.actor(cast.administrator), subject=cast.reader, label="",
        changes={"role": ["reader", "contributor"]},
    )  # fmt: skip

    assert acts(show())[0] == "Administrator changed the membership of Reader"
    assert labels(show().context["lines"][0]) == [("Role", "Reader", "Contributor")]
    assert acts(show(by=cast.reader)) == ["Administrator created the register VOICE · Voice assistant"]


def test_outsider_gets_404_and_signed_out_the_sign_in_page(show, cast, client):
    assert show(by=cast.outsider).status_code == 404
    assert client.get(ACTIVITY)["Location"].startswith(reverse("account_login"))


def test_lines_of_another_team_are_never_shown(show, cast):
    assert not [line for line in show().context["lines"] if line.event.team_id != cast.team.pk]
    assert show("?register=OTHER").status_code == 404
    assert show(f"?person={cast.outsider.pk}").status_code == 422


def test_register_narrows_the_lines(show, cast, make_risk, matrix):
    other = create_register(
        cast.team, {"key": "TWO", "name_en": "Two", "matrix": matrix}, by=cast.actor(cast.administrator)
    )
    make_risk(register=other, title_en="There")

    assert acts(show("?register=TWO")) == [
        "Manager created the risk TWO-1 There", "Administrator created the register TWO · Two",
    ]  # fmt: skip


# --- narrowed


def test_filters_narrow_by_person_act_type_and_day(show, cast, make_risk, make_mitigation):
    risk = make_risk(by=cast.owner, state="draft")
    make_mitigation(make_risk(), title_en="Audit")
    old = make_risk(at=timezone.now() - timedelta(days=40), title_en="Old")
    today, then = timezone.localdate(), timezone.localdate(old.logged_at)

    assert acts(show(f"?person={cast.owner.pk}")) == [f"Owner created the risk {risk}"]
    assert acts(show("?type=mitigation&act=created")) == ["Manager created the mitigation Audit"]
    assert acts(show(f"?from_date={then}&to_date={then}")) == ["Manager created the risk VOICE-3 Old"]
    assert "Old" not in " ".join(acts(show(f"?from_date={today}")))
    assert acts(show("?person=system")) == []


def test_filters_that_make_no_sense_show_no_lines(show, register):
    for query in (
        "?person=999999", "?person=x", "?act=danced", "?type=user%00", "?from_date=tomorrow",
        "?from_date=0001-01-01", "?to_date=9999-12-31", "?from_date=2026-02-02&to_date=2026-02-01",
        "?before=soon", "?before=99999999999999999999999-1", "?after=1-99999999999999999999",
    ):  # fmt: skip
        response = show(query)
        assert (response.status_code, response.context["lines"]) == (422, []), query
        assert "Nothing is shown" in response.content.decode()


def test_htmx_gets_the_page_s_part_alone(show, htmx_headers):
    response = show("?person=&act=created", headers=htmx_headers("activity-page"))

    assert response.content.decode().startswith('<div id="activity-page"')
    assert response["HX-Push-Url"] == f"{ACTIVITY}?act=created"


# --- pages


def many(team, register, count, **values):
    by = Actor.system(team.pk, Origin.COMMAND)
    AuditEvent.objects.bulk_create(
        build_event(Verb.CHANGED, register, by=by, register=register, label=f"Line {number}",
                    at=timezone.now() - timedelta(days=1, seconds=number // 3), **values)
        for number in range(count)
    )  # fmt: skip


def test_pages_hold_every_line_once_there_and_back(show, cast, register):
    many(cast.team, register, 2 * SHOWN + 7)
    everything = [e.pk for e in AuditEvent.objects.filter(team=cast.team)]
    seen, pages, response = [], [], show()
    while True:
        pages.append([line.event.pk for line in response.context["lines"]])
        seen += pages[-1]
        if not response.context["older_url"]:
            break
        response = cast.client_for(cast.manager).get(response.context["older_url"])
    assert seen == everything

    back = []
    while response.context["newer_url"]:
        response = cast.client_for(cast.manager).get(response.context["newer_url"])
        back.append([line.event.pk for line in response.context["lines"]])
    assert back[-1] == pages[0]
    assert response.context["newest_url"] == ACTIVITY


def test_queries_are_the_same_for_one_line_and_fifty(show, cast, make_risk, make_mitigation, count_queries):
    def fill(count):
        for _number in range(count):
            risk = make_risk(residual=(2, 2), owner=cast.owner)
            update_risk(risk, {"owner": cast.manager}, by=cast.actor(cast.manager))
            make_mitigation(risk)
            add_indicator(Indicator(risk=risk, name_en="Rate", amber=1, red=2), by=cast.actor(cast.manager))
            move_risk(risk, MOVES_BY_NAME["treat"], by=cast.actor(cast.manager), reason=Text("Go"))

    fill(1)
    show(by=cast.administrator)
    one = count_queries(lambda: show(by=cast.administrator))
    fill(10)

    assert count_queries(lambda: show(by=cast.administrator)) == one <= 12


def test_mark_survives_its_way_through_an_address(show):
    event = AuditEvent.objects.filter(team__slug="acme").first()
    mark = Mark.of(event)

    assert Mark.read(str(mark)) == mark


# --- as a file


def read_csv(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_holds_the_lines_asked_for(show, cast, make_risk):
    risk = make_risk(title_en="=Drift")
    update_risk(risk, {"owner": cast.owner, "title_en": "@Noise"}, by=cast.actor(cast.manager))
    rows = read_csv(cast.client_for(cast.reader).get(f"{ACTIVITY}export.csv?type=risk&act=changed"))

    assert [(row["Who"], row["Act"], row["About"], row["Name"], row["Register"]) for row in rows] == [
        ("Manager", "changed", "risk", "VOICE-1 @Noise", "VOICE"),
    ]  # fmt: skip
    assert rows[0]["Changes"] == "Title (English): =Drift → @Noise\nOwner: empty → Owner"
    event = AuditEvent.objects.get(verb=Verb.EXPORTED)
    assert (event.actor, event.changes) == (cast.reader, {"query": [None, "type=risk&act=changed"]})
    assert event.object_label == f"acme-activity-{timezone.localdate():%Y-%m-%d}.csv"


def test_formula_in_a_reason_is_neutral_in_the_file(show, cast, make_risk):
    risk = make_risk(residual=(2, 2))
    assess_risk(risk, "residual", 5, 5, by=cast.actor(cast.manager), reason=Text("=1+1"))
    rows = read_csv(cast.client_for(cast.manager).get(f"{ACTIVITY}export.csv?act=assessed"))

    assert [row["Reason"] for row in rows] == ["'=1+1", "First look"]


def test_excel_holds_what_csv_holds(show, cast, make_risk):
    make_risk(title_en="Drift")
    client = cast.client_for(cast.manager)
    response = client.get(f"{ACTIVITY}export.xlsx?register=VOICE&type=risk")
    sheet = load_workbook(io.BytesIO(b"".join(response.streaming_content))).active
    rows = read_csv(client.get(f"{ACTIVITY}export.csv?register=VOICE&type=risk"))

    assert (sheet.title, [cell.value for cell in sheet[1]]) == ("Activity", list(rows[0]))
    assert [cell.value for cell in sheet[2]][1:6] == list(rows[0].values())[1:6]


def test_export_is_refused_as_the_page_is(show, cast):
    client = cast.client_for(cast.manager)

    assert client.get(f"{ACTIVITY}export.exe").status_code == 404
    assert client.get(f"{ACTIVITY}export.csv?act=danced").status_code == 422
    assert cast.client_for(cast.outsider).get(f"{ACTIVITY}export.csv").status_code == 404
    assert not AuditEvent.objects.filter(verb=Verb.EXPORTED).exists()


def test_reader_s_file_has_no_sign_ins(show, cast, register):
    record(Verb.SIGNED_IN, cast.owner, by=cast.actor(cast.owner), subject=cast.owner, label="")

    assert "signed in" not in {
        row["Act"] for row in read_csv(cast.client_for(cast.reader).get(f"{ACTIVITY}export.csv"))
    }
    assert "signed in" in {
        row["Act"] for row in read_csv(cast.client_for(cast.manager).get(f"{ACTIVITY}export.csv"))
    }


# --- the chain


def test_administrator_sees_the_seal_and_verifies_it(show, cast, register):
    assert "none is yet" in show(by=cast.administrator).content.decode()
    seal_events(timezone.now() + timedelta(minutes=5))
    page = show(by=cast.administrator)
    assert page.context["sealed"].digest in page.content.decode()

    answer = cast.client_for(cast.administrator).post(f"{ACTIVITY}verify/")
    lines = AuditEvent.objects.filter(team=cast.team).count()
    assert answer.context["verified"].broken is None
    assert f"All {lines} lines hold" in answer.content.decode()


def test_others_neither_see_nor_verify_the_seal(show, cast, register):
    assert "seal-title" not in show().content.decode()
    assert cast.client_for(cast.manager).post(f"{ACTIVITY}verify/").status_code == 403
    assert cast.client_for(cast.outsider).post(f"{ACTIVITY}verify/").status_code == 404
    assert cast.client_for(cast.administrator).get(f"{ACTIVITY}verify/").status_code == 405


def test_chain_too_long_for_a_page_is_left_to_the_command(show, cast, register, monkeypatch):
    monkeypatch.setattr("risks.views.activity.VERIFIED_HERE", 1)
    answer = cast.client_for(cast.administrator).post(f"{ACTIVITY}verify/")

    assert "manage.py verify_trail --team acme" in answer.content.decode()


def test_membership_of_nobody_known_is_still_a_line(show, cast):
    record(Verb.CHANGED, Membership(), by=cast.actor(cast.administrator), label="")

    assert show().status_code == 200

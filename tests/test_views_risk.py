"""One risk: its page, logging, editing, moving and deleting it, its indicators."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from risks.enums import State
from risks.models import Acceptance, AuditEvent, Indicator, Matrix, Mitigation, Register, Risk, Template
from risks.models.translated import Text
from risks.queries.risk import similar_risks, suggest_templates
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.mitigation import add_indicator
from risks.services.risk import move_risk, update_risk
from tests.browser import form_of
from tests.cast import Cast
from tests.rows import change, create

MakeRisk = Callable[..., Risk]
PAGE = "/t/acme/risks/VOICE-1/"
NEW = "/t/acme/risks/new/"
WHO_MAY_EDIT = [("reader", 403), ("contributor", 403), ("owner", 200), ("manager", 200), ("outsider", 404)]


@pytest.fixture
def risk(make_risk: MakeRisk, cast: Cast) -> Risk:
    return make_risk(
        title_en="Speech is not understood", title_zh="听不懂语音", cause_en="Little data", owner=cast.owner,
        inherent=(5, 4), residual=(4, 3),
    )  # fmt: skip


@pytest.fixture
def template(db: None) -> Template:
    return Template.objects.get(code="TEC-05")


def _toasts(answer: Any) -> list[str]:
    return [each["text"] for each in json.loads(answer.headers["HX-Trigger"])["toasts"]]


# --- the page


def test_risk_page_shows_statement_positions_and_facts(cast: Cast, risk: Risk) -> None:
    page = cast.client_for(cast.reader).get(PAGE)
    standings = page.context["standings"]
    assert [(each.kind, each.words, each.score) for each in standings] == [
        ("inherent", "Almost certain × Major", 9),
        ("residual", "Likely × Serious", 7),
        ("target", "", None),
    ]
    html = page.content.decode()
    assert re.findall(r'class="mark mark-(\w+)"', html) == ["inherent", "residual"]
    assert html.count('class="way"') == 1
    assert [each.words for each in page.context["history"]] == ["Likely × Serious", "Almost certain × Major"]
    assert re.findall(r'class="series series-(\w+)"', html) == ["inherent", "residual"]


def test_risk_page_tells_the_reader_why_nothing_can_be_pressed(cast: Cast, risk: Risk) -> None:
    html = cast.client_for(cast.reader).get(PAGE).content.decode()
    assert re.findall(r'id="why-not-edit">.*?</svg>(.*?)</p>', html) == ["Readers cannot change risks."]
    assert 'title="Readers cannot change risks."' in html
    assert "assess/?kind" not in html


@pytest.mark.parametrize(
    ("who", "names"),
    [
        ("reader", []),
        ("contributor", []),
        ("owner", ["treat"]),
        ("manager", ["treat", "accept", "close"]),
    ],
)
def test_risk_page_offers_the_moves_one_may_make(cast: Cast, risk: Risk, who: str, names: list[str]) -> None:
    page = cast.client_for(getattr(cast, who)).get(PAGE)
    assert [step.move.name for step in page.context["moves"] if not step.why] == names
    html = page.content.decode()
    assert re.findall(r'<(?:a|button) class="btn[^"]*" id="move-(\w+)"', html) == names


def test_risk_page_names_why_a_move_is_refused(cast: Cast, risk: Risk) -> None:
    html = cast.client_for(cast.owner).get(PAGE).content.decode()
    refused = re.findall(r'<button class="btn" type="button" disabled title="([^"]+)">([^<]+)</button>', html)
    assert refused == [("Only a manager can do this.", "Accept"), ("Only a manager can do this.", "Close")]


@pytest.mark.parametrize("address", [PAGE, PAGE + "edit/", PAGE + "delete/", PAGE + "move/close/"])
def test_risk_page_is_not_found_outside_the_team(cast: Cast, risk: Risk, address: str) -> None:
    assert cast.client_for(cast.outsider).get(address).status_code == 404
    foreign = address.replace("VOICE-1", "OTHER-1")
    assert cast.client_for(cast.manager).get(foreign).status_code == 404
    assert cast.client_for(cast.manager).get(address.replace("VOICE-1", "VOICE-99")).status_code == 404


@pytest.mark.parametrize("address", [PAGE, PAGE + "edit/", NEW, PAGE + "move/close/"])
def test_risk_page_signed_out_leads_to_the_sign_in_page(client: Client, risk: Risk, address: str) -> None:
    assert client.get(address).headers["Location"] == f"/accounts/login/?next={address}"


def test_risk_page_as_a_fragment_is_the_page_without_its_frame(
    cast: Cast, risk: Risk, htmx_headers: Any
) -> None:
    client = cast.client_for(cast.manager)
    fragment = client.get(PAGE, headers=htmx_headers("risk-page")).content.decode().strip()
    assert fragment.startswith('<div id="risk-page">')
    assert "<html" not in fragment
    assert "HX-Target" in client.get(PAGE).headers["Vary"]


def test_risk_page_shows_what_people_typed_as_text(cast: Cast, make_risk: MakeRisk) -> None:
    make_risk(title_en="<script>alert(1)</script> 🔥 \u202eعربي", event_en="=cmd|' /C calc'!A0 <b>x</b>")
    html = cast.client_for(cast.reader).get(PAGE).content.decode()
    assert "<script>alert" not in html
    assert '<h1 dir="auto">&lt;script&gt;alert(1)&lt;/script&gt; 🔥 \u202eعربي</h1>' in html
    assert "=cmd|&#x27; /C calc&#x27;!A0 &lt;b&gt;x&lt;/b&gt;" in html


def test_risk_page_shows_the_movement_of_thirty_days(cast: Cast, make_risk: MakeRisk) -> None:
    long_ago = timezone.now() - timedelta(days=90)
    risk = make_risk(residual=(2, 2), at=long_ago)
    assert cast.client_for(cast.reader).get(PAGE).context["movement"] == 0
    assess_risk(risk, "residual", 5, 5, by=cast.actor(cast.manager), reason=Text("Worse"))
    assert cast.client_for(cast.reader).get(PAGE).context["movement"] == 1
    assess_risk(risk, "residual", 1, 1, by=cast.actor(cast.manager), reason=Text("Better"))
    assert cast.client_for(cast.reader).get(PAGE).context["movement"] == -1


def test_risk_page_of_an_accepted_risk_shows_the_decision(cast: Cast, make_risk: MakeRisk) -> None:
    make_risk(state="accepted", residual=(3, 3))
    html = cast.client_for(cast.reader).get(PAGE).content.decode()
    words = re.findall(
        r'<section class="notice acceptance"><p><b>(.*?)</b> <span dir="auto">(.*?)</span>', html
    )
    until = timezone.localdate() + timedelta(days=90)
    assert words == [
        (f"Accepted until {until.day} {until:%b %Y}, approved by Manager.", "Decided in the meeting")
    ]


def test_risk_page_has_the_same_queries_however_much_there_is(
    cast: Cast, risk: Risk, make_mitigation: Any, count_queries: Any
) -> None:
    def fill(count: int) -> None:
        for number in range(count):
            make_mitigation(risk, owner=cast.owner)
            add_indicator(
                Indicator(risk=risk, name_en=f"Indicator {number}", amber=1, red=2), by=cast.actor(cast.owner)
            )
            assess_risk(risk, "residual", 4, 3, by=cast.actor(cast.owner))

    client = cast.client_for(cast.manager)
    fill(1)
    few = count_queries(lambda: client.get(PAGE))
    fill(30)
    assert count_queries(lambda: client.get(PAGE)) == few <= 12


# --- activity


def test_activity_tells_changes_in_words(cast: Cast, risk: Risk) -> None:
    day = date(2027, 3, 5)
    update_risk(
        risk,
        {"owner": cast.manager, "next_review_date": day, "strategy": "reduce", "impact_low": 0.02,
         "impact_likely": 0.03, "impact_high": 0.1},
        by=cast.actor(cast.manager),
    )  # fmt: skip
    line = cast.client_for(cast.reader).get(PAGE).context["lines"][0]
    assert (line.who, line.act) == ("Manager", "changed this risk")
    assert {(each.label, each.after) for each in line.changes} == {
        ("Owner", "Manager"), ("Next review", "5 Mar 2027"), ("Strategy", "Reduce"),
        ("Impact from", "2 %"), ("Impact, most likely", "3 %"), ("Impact to", "10 %"),
    }  # fmt: skip


def test_activity_writes_positions_and_states_as_words(cast: Cast, risk: Risk) -> None:
    assess_risk(risk, "residual", 5, 5, by=cast.actor(cast.owner), reason=Text("Worse"))
    move_risk(risk, MOVES_BY_NAME["treat"], by=cast.actor(cast.owner))
    lines = cast.client_for(cast.reader).get(PAGE).context["lines"][:2]
    assert [(each.label, each.before, each.after) for line in lines for each in line.changes] == [
        ("State", "Open", "Treating"),
        ("Residual", "Likely × Serious (High)", "Almost certain × Severe (Critical)"),
    ]
    assert lines[1].event.reason == "Worse"


def test_activity_reads_reasons_and_names_in_the_readers_language(
    cast: Cast, risk: Risk, make_mitigation: Any
) -> None:
    by, at = cast.actor(cast.manager), timezone.now()
    for kind, chinese in (("inherent", "固有变差"), ("residual", "剩余变差")):
        assess_risk(risk, kind, 5, 5, by=by, reason=Text(f"Worse {kind}", chinese), at=at)
    move_risk(risk, MOVES_BY_NAME["treat"], by=by, reason=Text("Begun", "开始"), at=at)
    make_mitigation(risk, title_en="Audit", title_zh="审核")
    add_indicator(Indicator(risk=risk, name_en="Rate", name_zh="比率", amber=1, red=2), by=by)
    renamed = make_mitigation(risk, title_en="Old", title_zh="旧")
    change(Mitigation.objects.filter(pk=renamed.pk), title_en="New", title_zh="新")
    move_risk(risk, MOVES_BY_NAME["close"], by=by, reason=Text("English alone"))
    client = cast.client_for(cast.reader)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    page = client.get(PAGE)
    found = {line.reason for line in page.context["lines"]}
    assert found == {"固有变差", "剩余变差", "开始", "English alone", "First look", ""}
    names = [
        next(name for name in ("审核", "比率", "Old", "旧", "新") if name in line.act)
        for line in page.context["lines"] if line.event.object_type != "risk"
    ]  # fmt: skip
    assert sorted(names) == ["Old", "审核", "比率"]
    assert '<blockquote dir="auto">开始</blockquote>' in page.content.decode()


def test_activity_comes_in_pages_of_twenty(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    for _ in range(20):
        assess_risk(risk, "residual", 4, 3, by=cast.actor(cast.owner))
    client = cast.client_for(cast.reader)
    assert len(client.get(PAGE).context["lines"]) == 20
    page = client.get(f"{PAGE}?page=2", headers=htmx_headers("activity"))
    assert page.content.decode().strip().startswith('<section class="card card-body" id="activity"')
    assert [line.act for line in page.context["lines"]] == [
        "scored this risk", "scored this risk", "logged this risk",
    ]  # fmt: skip
    assert re.findall(r'<a [^>]*id="activity-(\w+)"', page.content.decode()) == ["newer"]


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "99999999999999999999", "²", ""])
def test_activity_of_a_page_that_makes_no_sense_is_not_found(cast: Cast, risk: Risk, page: str) -> None:
    assert cast.client_for(cast.reader).get(f"{PAGE}?page={page}").status_code == 404


# --- a new risk


def _intake(register: Register, /, **changes: object) -> dict[str, object]:
    """What a browser sends when only the title is typed."""
    return {
        "register": register.key, "matrix": register.matrix_id, "template": "", "title_en": "Model drifts",
        "frequency_kind": "probability", "owner": "",
        "mitigations-TOTAL_FORMS": 1, "mitigations-INITIAL_FORMS": 0, "mitigations-0-keep": "on",
        "mitigations-0-kind": "prevention", "mitigations-0-title": "", "mitigations-0-trigger": "",
        "indicators-TOTAL_FORMS": 1, "indicators-INITIAL_FORMS": 0, "indicators-0-keep": "on",
        "indicators-0-name": "", "indicators-0-bad_when": "above", "indicators-0-amber": "",
        "indicators-0-red": "",
    } | changes  # fmt: skip


def _as_sent(page: Any) -> dict[str, object]:
    """What a browser sends from the page as it is."""
    intake = page.context["intake"]
    data: dict[str, object] = {}
    forms = [intake.form, *intake.mitigations.forms, *intake.indicators.forms]
    forms += [intake.mitigations.management_form, intake.indicators.management_form]
    for form in forms:
        for bound in form:
            value = bound.value()
            if value is True:
                value = "on"
            if value not in (None, False):
                data[bound.html_name] = value
    return data


@pytest.mark.parametrize(
    ("who", "status"),
    [("reader", 403), ("contributor", 200), ("owner", 200), ("manager", 200), ("outsider", 404)],
)
def test_new_risk_opens_for_those_who_may(cast: Cast, register: Register, who: str, status: int) -> None:
    assert cast.client_for(getattr(cast, who)).get(NEW).status_code == status


def test_new_risk_without_a_register_says_what_to_do(cast: Cast) -> None:
    html = cast.client_for(cast.administrator).get(NEW).content.decode()
    assert re.findall(r"<h2>(.*?)</h2>", html)[:1] == ["There is no register yet"]


def test_new_risk_begins_at_the_title_and_a_refused_one_at_what_is_wrong(
    cast: Cast, register: Register
) -> None:
    client = cast.client_for(cast.manager)
    refused = client.post(NEW, _intake(register, title_en=""))
    found = [
        re.findall(r'name="(\w+)"[^>]* autofocus\b', page.content.decode())
        for page in (client.get(NEW), refused)
    ]
    assert found == [["title_en"], []]


def test_new_risk_is_filled_with_owner_and_date(cast: Cast, register: Register) -> None:
    form = cast.client_for(cast.contributor).get(NEW).context["form"]
    assert form["owner"].value() == str(cast.contributor.pk)
    assert form["next_review_date"].value() == (timezone.localdate() + timedelta(days=30)).isoformat()
    assert dict(form.fields["register"].choices) == {"VOICE": "VOICE-1 · Voice assistant"}


@pytest.mark.parametrize(("who", "state"), [("contributor", State.DRAFT), ("manager", State.OPEN)])
def test_new_risk_with_a_title_alone_is_saved(cast: Cast, register: Register, who: str, state: State) -> None:
    answer = cast.client_for(getattr(cast, who)).post(NEW, _intake(register))
    assert answer.headers["Location"] == PAGE
    risk = Risk.objects.get(code="VOICE-1")
    assert (risk.title_en, risk.state, risk.residual_rank) == ("Model drifts", state, 0)
    assert (risk.mitigations.count(), risk.indicators.count()) == (0, 0)


def test_new_risk_by_a_reader_is_refused(cast: Cast, register: Register) -> None:
    assert cast.client_for(cast.reader).post(NEW, _intake(register)).status_code == 403
    assert Risk.objects.filter(register=register).count() == 0


def test_new_risk_from_a_template_takes_everything_over(
    cast: Cast, register: Register, template: Template
) -> None:
    client = cast.client_for(cast.manager)
    page = client.get(f"{NEW}?register=VOICE&template={template.pk}")
    answer = client.post(NEW, _as_sent(page))
    assert answer.headers["Location"] == PAGE
    risk = Risk.objects.get(code="VOICE-1")
    for name in ("title", "cause", "event", "consequence"):
        for code in ("en", "zh"):
            assert getattr(risk, f"{name}_{code}") == getattr(template, f"{name}_{code}")
    copied = (
        "category_id", "subcategory_id", "strategy", "frequency_kind", "frequency_low", "frequency_high",
        "impact_low", "impact_likely", "impact_high",
    )  # fmt: skip
    assert [getattr(risk, name) for name in copied] == [getattr(template, name) for name in copied]
    assert risk.template == template
    assert risk.position("inherent") == risk.position("residual") == (3, 4)
    rows = ("kind", "title_en", "title_zh", "trigger_en", "trigger_zh")
    assert list(risk.mitigations.order_by("id").values_list(*rows)) == list(
        template.mitigations.order_by("position", "id").values_list(*rows)
    )
    columns = ("name_en", "name_zh", "unit_en", "unit_zh", "amber", "red", "bad_when")
    assert list(risk.indicators.order_by("position").values_list(*columns)) == list(
        template.indicators.order_by("position", "id").values_list(*columns)
    )


def test_new_risk_leaves_out_what_is_not_ticked_and_takes_what_was_changed(
    cast: Cast, register: Register, template: Template
) -> None:
    client = cast.client_for(cast.manager)
    data = _as_sent(client.get(f"{NEW}?template={template.pk}"))
    del data["mitigations-0-keep"]
    data |= {"mitigations-2-title": "Something of ours", "indicators-0-amber": "not a number"}
    del data["indicators-0-keep"]
    assert client.post(NEW, data).status_code == 302
    mitigations = list(Mitigation.objects.order_by("id"))
    suggested = list(template.mitigations.order_by("position", "id"))
    assert [each.title_en for each in mitigations] == [
        suggested[1].title_en, "Something of ours", *(each.title_en for each in suggested[3:]),
    ]  # fmt: skip
    assert mitigations[1].title_zh == ""  # the template's words no longer say the same
    assert Indicator.objects.count() == template.indicators.count() - 1


@pytest.mark.parametrize(
    ("language", "shown", "other"), [("en", "en", "zh"), ("zh-hans", "zh", "en")], ids=["english", "chinese"]
)
def test_new_risk_clears_the_other_language_of_texts_that_were_changed(
    cast: Cast, register: Register, template: Template, language: str, shown: str, other: str
) -> None:
    client = cast.client_for(cast.manager)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    data = _as_sent(client.get(f"{NEW}?template={template.pk}"))
    data |= {
        f"title_{shown}": "Ours",
        f"event_{shown}": "Ours",
        f"event_{other}": "Theirs",
        f"cause_{shown}": "",
    }
    data |= {"indicators-0-name": "Ours"}
    assert client.post(NEW, data).status_code == 302
    risk = Risk.objects.get(code="VOICE-1")
    assert (getattr(risk, f"title_{shown}"), getattr(risk, f"title_{other}")) == ("Ours", "")
    assert (risk.cause_en, risk.cause_zh) == ("", "")
    assert (getattr(risk, f"event_{shown}"), getattr(risk, f"event_{other}")) == ("Ours", "Theirs")
    assert (risk.consequence_en, risk.consequence_zh) == (template.consequence_en, template.consequence_zh)
    indicator = risk.indicators.order_by("position")[0]
    assert (getattr(indicator, f"name_{shown}"), getattr(indicator, f"name_{other}")) == ("Ours", "")


def test_new_risk_from_a_template_without_its_title_asks_for_one(
    cast: Cast, register: Register, template: Template
) -> None:
    client = cast.client_for(cast.manager)
    data = _as_sent(client.get(f"{NEW}?template={template.pk}")) | {"title_en": ""}
    answer = client.post(NEW, data)
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["title_en"])


def test_new_risk_keeps_percentages_as_shares(cast: Cast, register: Register) -> None:
    ranges = {
        "frequency_low": "10", "frequency_high": "30",
        "impact_low": "0.5", "impact_likely": "2", "impact_high": "7",
    }  # fmt: skip
    cast.client_for(cast.manager).post(NEW, _intake(register, **ranges))
    risk = Risk.objects.get(code="VOICE-1")
    assert (risk.frequency_low, risk.frequency_high) == (0.1, 0.3)
    assert (risk.impact_low, risk.impact_likely, risk.impact_high) == (0.005, 0.02, 0.07)


def test_new_risk_keeps_events_a_year_as_they_are(cast: Cast, register: Register) -> None:
    ranges = {"frequency_kind": "rate", "frequency_low": "2", "frequency_high": "4"}
    cast.client_for(cast.manager).post(NEW, _intake(register, **ranges))
    risk = Risk.objects.get(code="VOICE-1")
    assert (risk.frequency_kind, risk.frequency_low, risk.frequency_high) == ("rate", 2, 4)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title_en": ""}, "title_en"),
        ({"title_en": "   "}, "title_en"),
        ({"title_en": "x" * 201}, "title_en"),
        ({"title_en": "a\x00b"}, "title_en"),
        ({"cause_en": "x" * 10_001}, "cause_en"),
        ({"cause_zh": "a\x00b"}, "cause_zh"),
        ({"place": "99999999999999999999"}, "place"),
        ({"owner": "99999999999999999999"}, "owner"),
        ({"owner": "nobody"}, "owner"),
        ({"strategy": "hope"}, "strategy"),
        ({"next_review_date": "31.02.2027"}, "next_review_date"),
        ({"register": "OTHER"}, "register"),
        ({"frequency_low": "20"}, "frequency_low"),
        ({"frequency_low": "30", "frequency_high": "10"}, "frequency_low"),
        ({"frequency_low": "10", "frequency_high": "130"}, "frequency_high"),
        ({"impact_low": "1"}, "impact_low"),
        ({"impact_low": "5", "impact_likely": "2", "impact_high": "9"}, "impact_low"),
        ({"impact_low": "nan", "impact_likely": "2", "impact_high": "9"}, "impact_low"),
        ({"impact_high": "1e308"}, "impact_high"),
        ({"residual": "9-9"}, "residual"),
        ({"matrix": "0", "residual": "2-2"}, "register"),
        ({"residual": "1-1", "target": "5-5"}, "reason"),
    ],
)
def test_new_risk_with_bad_input_says_so_at_the_field(
    cast: Cast, register: Register, changes: dict[str, str], field: str
) -> None:
    page = cast.client_for(cast.manager).post(
        NEW, _intake(register, event_en="Typed <b>before</b>", **changes)
    )
    assert page.status_code == 422
    assert field in page.context["form"].errors
    assert "Typed &lt;b&gt;before&lt;/b&gt;</textarea>" in page.content.decode()
    assert Risk.objects.filter(register=register).count() == 0


def test_new_risk_with_a_title_in_the_other_language_alone_is_saved(cast: Cast, register: Register) -> None:
    assert cast.client_for(cast.manager).post(
        NEW, _intake(register, title_en="", title_zh="模型漂移")
    ).status_code == 302  # fmt: skip
    assert Risk.objects.get(code="VOICE-1").title_zh == "模型漂移"


def test_new_risk_takes_ten_thousand_characters_with_line_ends(cast: Cast, register: Register) -> None:
    text = ("x" * 99 + "\r\n") * 100
    cast.client_for(cast.manager).post(NEW, _intake(register, cause_en=text))
    assert Risk.objects.get(code="VOICE-1").cause_en == text.replace("\r\n", "\n").strip()


@pytest.mark.parametrize(
    ("changes", "rows", "field", "message"),
    [
        ({"mitigations-0-kind": "contingency", "mitigations-0-title": "Roll back"}, "mitigations", "trigger",
         "A contingency needs its trigger: what has to happen to start it."),
        ({"mitigations-0-title": "x" * 301}, "mitigations", "title",
         "Ensure this value has at most 300 characters (it has 301)."),
        ({"mitigations-0-title": "a\x00"}, "mitigations", "title", "Null characters are not allowed."),
        ({"indicators-0-name": "Errors"}, "indicators", "amber", "This field is required."),
        ({"indicators-0-name": "Errors", "indicators-0-amber": "5", "indicators-0-red": "3"}, "indicators",
         "red", "The warning must come before the alarm in the bad direction."),
    ],
)  # fmt: skip
def test_new_risk_with_a_bad_row_says_so_in_the_row_and_saves_nothing(
    cast: Cast, register: Register, changes: dict[str, str], rows: str, field: str, message: str
) -> None:
    page = cast.client_for(cast.manager).post(NEW, _intake(register, **changes))
    assert page.status_code == 422
    assert getattr(page.context["intake"], rows).forms[0].errors[field] == [message]
    assert re.findall(r'role="alert"', page.content.decode()) == ['role="alert"']
    assert Risk.objects.filter(register=register).count() == 0


def test_new_risk_with_damaged_rows_is_refused(cast: Cast, register: Register) -> None:
    page = cast.client_for(cast.manager).post(NEW, _intake(register, **{"mitigations-TOTAL_FORMS": "many"}))
    assert page.status_code == 422
    assert Risk.objects.filter(register=register).count() == 0


@pytest.mark.parametrize("template", ["0", "x", "99999999999999999999", "-1", "1\x00", "²"])
def test_new_risk_from_a_template_that_is_not_there_starts_empty(
    cast: Cast, register: Register, template: str
) -> None:
    page = cast.client_for(cast.manager).get(NEW, {"template": template})
    assert (page.status_code, page.context["template"]) == (200, None)


def test_new_risk_remembers_the_register_last_used(cast: Cast, register: Register) -> None:
    other = create(Register, team=cast.team, key="ALPHA", name_en="Alpha", matrix=register.matrix)
    client = cast.client_for(cast.manager)
    assert client.get(NEW).context["register"] == other
    client.post(NEW, _intake(register))
    assert client.get(NEW).context["register"] == register


def test_new_risk_has_at_most_twelve_queries(cast: Cast, make_risk: MakeRisk, count_queries: Any) -> None:
    make_risk(title_en="Test data leaks")
    client = cast.client_for(cast.manager)
    url = f"{NEW}?template={Template.objects.get(code='TEC-05').pk}&register=VOICE"
    few = count_queries(lambda: client.get(url))
    for number in range(30):
        make_risk(title_en=f"Test data leaks {number}")
    assert count_queries(lambda: client.get(url)) == few <= 12


# --- a new risk, filled again


def test_choosing_a_template_keeps_what_was_written_and_fills_the_rest(
    cast: Cast, register: Register, template: Template
) -> None:
    client = cast.client_for(cast.manager)
    typed = _intake(register, title_en="data lea", cause_en="Our own cause", template_choice=template.pk)
    typed |= {"mitigations-0-title": "Our own measure"}
    page = client.post(NEW, typed)
    assert page.status_code == 200
    form, intake = page.context["form"], page.context["intake"]
    assert form["title_en"].value() == template.title_en  # the words typed only sought it
    assert form["cause_en"].value() == "Our own cause"
    assert form["event_en"].value() == template.event_en
    assert form["residual"].value() == "3-4"
    titles = [row["title"].value() for row in intake.mitigations.forms]
    assert titles == [*(each.title_en for each in template.mitigations.all()), "Our own measure", None]
    assert not form.is_bound
    assert Risk.objects.filter(register=register).count() == 0


def test_choosing_a_template_keeps_a_title_of_ones_own(
    cast: Cast, register: Register, template: Template
) -> None:
    typed = _intake(register, title_en="Competitors copy us", template_choice=template.pk)
    page = cast.client_for(cast.manager).post(NEW, typed)
    assert page.context["form"]["title_en"].value() == "Competitors copy us"


def test_choosing_another_template_replaces_what_the_first_one_filled(
    cast: Cast, register: Register, template: Template
) -> None:
    client = cast.client_for(cast.manager)
    other = Template.objects.get(code="MKT-01")
    typed = _as_sent(client.get(f"{NEW}?template={template.pk}")) | {"event_en": "Our own event"}
    page = client.post(NEW, typed | {"template_choice": other.pk})
    form = page.context["form"]
    assert form["title_en"].value() == other.title_en
    assert form["cause_zh"].value() == other.cause_zh
    assert form["event_en"].value() == "Our own event"
    titles = [row["title"].value() for row in page.context["intake"].mitigations.forms]
    assert titles == [*(each.title_en for each in other.mitigations.order_by("position", "id")), None]


def test_choosing_a_template_by_htmx_answers_with_the_form(
    cast: Cast, register: Register, template: Template, htmx_headers: Any
) -> None:
    typed = _intake(register, template_choice=template.pk)
    page = cast.client_for(cast.manager).post(NEW, typed, headers=htmx_headers("intake"))
    html = page.content.decode().strip()
    assert html.startswith('<form id="intake"')
    assert "<html" not in html


def test_another_register_with_another_matrix_drops_the_positions(
    cast: Cast, register: Register, make_risk: MakeRisk
) -> None:
    small = Matrix.objects.get(key="product-3x3")
    create(Register, team=cast.team, key="SMALL", name_en="Small", matrix=small)
    typed = _intake(register, residual="3-3", another_register="1") | {"register": "SMALL"}
    page = cast.client_for(cast.manager).post(NEW, typed)
    form = page.context["form"]
    assert (form["residual"].value(), form["matrix"].value()) == ("", str(small.id))
    assert page.content.decode().count('name="residual"') == 9


def test_find_without_javascript_shows_what_fits_and_keeps_what_was_typed(
    cast: Cast, make_risk: MakeRisk, register: Register
) -> None:
    make_risk(title_en="Personal data leaks from the test set")
    typed = _intake(register, title_en="test data leaks", cause_en="Typed", find="1")
    page = cast.client_for(cast.manager).post(NEW, typed)
    assert page.context["suggested"][0].code == "TEC-05"
    assert [risk.code for risk, _level in page.context["similar"]] == ["VOICE-1"]
    assert page.context["form"]["cause_en"].value() == "Typed"


def test_suggestions_follow_the_title_as_it_is_typed(
    cast: Cast, make_risk: MakeRisk, htmx_headers: Any
) -> None:
    make_risk(title_en="Founders leave", title_zh="创始人离职")
    client, headers = cast.client_for(cast.contributor), htmx_headers("suggestions")
    page = client.get(f"{NEW}?title_en=founders+lea", headers=headers)
    assert page.content.decode().strip().startswith('<div id="suggestions"')
    assert [risk.code for risk, _level in page.context["similar"]] == ["VOICE-1"]
    assert client.get(NEW, headers=headers).context["similar"] == []
    for title in ("\x00", "*", '"', "' OR 1=1 --", "x" * 5000, "(" * 50, "a AND NEAR(", "😀"):
        assert client.get(NEW, {"title_en": title}, headers=headers).status_code == 200


def test_similar_risks_are_ranked_and_of_the_team_alone(cast: Cast, make_risk: MakeRisk) -> None:
    make_risk(title_en="Data centre loses power")
    make_risk(title_en="Customer data leaks to a competitor", title_zh="客户数据泄露给竞争对手")
    make_risk(title_en="Rent rises", cause_en="Customer data leaks")
    assert [risk.code for risk in similar_risks(cast.team, "Leak of customer data")] == ["VOICE-2"]
    assert [risk.code for risk in similar_risks(cast.team, "数据泄露")] == ["VOICE-2"]
    assert similar_risks(cast.other_team, "Leak of customer data") == []
    assert similar_risks(cast.team, " … ") == []


def test_templates_without_a_title_are_the_first_of_each_category(db: None) -> None:
    templates = list(Template.objects.select_related("category").order_by("category__position", "code"))
    found = suggest_templates(templates, "")
    assert [each.code for each in found] == [
        "TEC-01", "TEC-02", "MKT-01", "MKT-02", "OPS-01", "OPS-02", "REG-01", "REG-02",
    ]  # fmt: skip


# --- editing


def _edited(client: Client, **changes: object) -> dict[str, object]:
    """What a browser sends from the edit page with some fields changed."""
    return form_of(client, PAGE + "edit/", **changes)


@pytest.mark.parametrize(("who", "status"), WHO_MAY_EDIT)
def test_edit_opens_for_those_who_may(cast: Cast, risk: Risk, who: str, status: int) -> None:
    assert cast.client_for(getattr(cast, who)).get(PAGE + "edit/").status_code == status


def test_edit_by_somebody_who_may_not_changes_nothing(cast: Cast, risk: Risk) -> None:
    data = _edited(cast.client_for(cast.owner), title_en="Mine now")
    assert cast.client_for(cast.contributor).post(PAGE + "edit/", data).status_code == 403
    assert Risk.objects.get(pk=risk.pk).title_en == "Speech is not understood"


def test_edit_saves_only_what_changed(cast: Cast, risk: Risk, template: Template) -> None:
    client = cast.client_for(cast.owner)
    subcategory = template.subcategory
    assert subcategory is not None
    data = _edited(client, title_en="New title", place=subcategory.pk, frequency_low="5", frequency_high="10")
    assert client.post(PAGE + "edit/", data).headers["Location"] == PAGE
    saved = Risk.objects.get(pk=risk.pk)
    assert (saved.title_en, saved.title_zh, saved.cause_en) == ("New title", "听不懂语音", "Little data")
    assert (saved.category, saved.subcategory) == (template.category, subcategory)
    assert (saved.frequency_low, saved.version) == (0.05, risk.version + 1)
    changes = AuditEvent.objects.filter(risk=risk, verb="changed").get().changes
    assert sorted(changes) == ["category", "frequency_high", "frequency_low", "subcategory", "title_en"]


def test_edit_without_a_change_leaves_the_version(
    cast: Cast, make_risk: MakeRisk, template: Template
) -> None:
    risk = make_risk(
        owner=cast.owner, frequency_low=0.07, frequency_high=0.29, impact_low=0.011, impact_likely=0.03,
        impact_high=0.07, category=template.category, cause_en="One\nTwo",
    )  # fmt: skip
    client = cast.client_for(cast.owner)
    client.post(PAGE + "edit/", _edited(client))
    assert Risk.objects.get(pk=risk.pk).version == risk.version


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title_en": "", "title_zh": ""}, "title_en"),
        ({"cause_en": "x" * 10_001}, "cause_en"),
        ({"impact_low": "1"}, "impact_low"),
        ({"event_en": "a\x00b"}, "event_en"),
    ],
)
def test_edit_with_bad_input_says_so_at_the_field(
    cast: Cast, risk: Risk, changes: dict[str, str], field: str
) -> None:
    client = cast.client_for(cast.owner)
    page = client.post(PAGE + "edit/", _edited(client, consequence_en="Typed", **changes))
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [field]
    assert page.context["form"]["consequence_en"].value() == "Typed"
    assert Risk.objects.get(pk=risk.pk).version == risk.version


# --- moves


@pytest.mark.parametrize(("who", "status"), [*WHO_MAY_EDIT[:2], ("owner", 403), *WHO_MAY_EDIT[3:]])
def test_move_page_opens_for_those_who_may(cast: Cast, risk: Risk, who: str, status: int) -> None:
    assert cast.client_for(getattr(cast, who)).get(PAGE + "move/close/").status_code == status


def test_move_of_no_such_name_is_not_found(cast: Cast, risk: Risk) -> None:
    assert cast.client_for(cast.manager).post(PAGE + "move/explode/").status_code == 404


def test_move_from_a_state_that_does_not_allow_it_is_refused(cast: Cast, risk: Risk) -> None:
    answer = cast.client_for(cast.manager).post(PAGE + "move/reopen/", {"reason": "x"})
    assert answer.status_code == 403


@pytest.mark.parametrize("reason", ["", "  ", "a\x00b", "x" * 2001])
def test_move_without_a_proper_reason_is_refused_at_the_field(cast: Cast, risk: Risk, reason: str) -> None:
    page = cast.client_for(cast.manager).post(PAGE + "move/close/", {"reason": reason})
    assert page.status_code == 422
    assert list(page.context["form"].errors) == ["reason"]
    assert Risk.objects.get(pk=risk.pk).state == State.OPEN


def test_move_leads_back_to_the_risk(cast: Cast, risk: Risk) -> None:
    answer = cast.client_for(cast.manager).post(PAGE + "move/close/", {"reason": "Over"})
    assert answer.headers["Location"] == PAGE
    assert Risk.objects.get(pk=risk.pk).state == State.CLOSED


def test_move_by_htmx_answers_with_the_event(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    answer = cast.client_for(cast.owner).post(PAGE + "move/treat/", headers=htmx_headers("dialog"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert json.loads(answer.headers["HX-Trigger"])["risk-changed"] == {"code": "VOICE-1"}
    assert _toasts(answer) == ["VOICE-1: Treating."]


def test_move_refused_in_a_dialog_is_a_fragment(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    answer = cast.client_for(cast.manager).post(PAGE + "move/accept/", headers=htmx_headers("dialog"))
    assert answer.status_code == 422
    assert answer.content.decode().lstrip().startswith("<dialog")
    assert list(answer.context["form"].errors) == ["approver", "until", "reason"]


def test_accept_offers_managers_alone_and_a_day_to_come(cast: Cast, risk: Risk) -> None:
    form = cast.client_for(cast.manager).get(PAGE + "move/accept/").context["form"]
    assert set(form.fields["approver"].queryset) == {cast.manager, cast.administrator}
    assert form["until"].value() == timezone.localdate() + timedelta(days=90)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until": ""}, "until"),
        ({"until": "2020-01-01"}, "until"),
        ({"until": "tomorrow"}, "until"),
        ({"approver": ""}, "approver"),
        ({"approver": "99999999999999999999"}, "approver"),
        ({"reason": ""}, "reason"),
    ],
)
def test_accept_without_its_demands_is_refused(
    cast: Cast, risk: Risk, changes: dict[str, str], field: str
) -> None:
    until = timezone.localdate() + timedelta(days=10)
    values = {"approver": cast.manager.pk, "until": until.isoformat(), "reason": "We can live with it"}
    page = cast.client_for(cast.manager).post(PAGE + "move/accept/", values | changes)
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [field]
    assert Acceptance.objects.count() == 0


def test_accept_keeps_approver_day_and_reason(cast: Cast, risk: Risk) -> None:
    until = timezone.localdate() + timedelta(days=10)
    values = {"approver": cast.administrator.pk, "until": until.isoformat(), "reason": "We can live with it"}
    cast.client_for(cast.manager).post(PAGE + "move/accept/", values)
    acceptance = Acceptance.objects.get(risk=risk)
    assert (acceptance.approver, acceptance.until_date, acceptance.reason_en, acceptance.accepted_by) == (
        cast.administrator, until, "We can live with it", cast.manager,
    )  # fmt: skip


# --- deleting


def test_delete_names_what_goes(cast: Cast, make_risk: MakeRisk, make_mitigation: Any) -> None:
    draft = make_risk(state="draft", residual=(2, 2))
    make_mitigation(draft)
    make_mitigation(draft)
    html = cast.client_for(cast.manager).get(PAGE + "delete/").content.decode()
    assert re.findall(r"<li>(\d+ \w+)</li>", html) == ["2 mitigations", "0 indicators", "1 assessment"]


def test_delete_asks_before_it_deletes(cast: Cast, make_risk: MakeRisk) -> None:
    make_risk(state="draft")
    client = cast.client_for(cast.contributor)
    client.get(PAGE + "delete/")
    assert Risk.objects.filter(code="VOICE-1").count() == 1
    assert client.post(PAGE + "delete/").headers["Location"] == "/t/acme/risks/"
    assert Risk.objects.filter(code="VOICE-1").count() == 0


def test_delete_of_an_open_risk_is_refused(cast: Cast, risk: Risk) -> None:
    assert cast.client_for(cast.manager).post(PAGE + "delete/").status_code == 403
    assert Risk.objects.filter(pk=risk.pk).count() == 1


# --- indicators


@pytest.fixture
def indicator(risk: Risk, cast: Cast) -> Indicator:
    values = {"name_en": "Word errors", "unit_en": "%", "amber": 5, "red": 8}
    return add_indicator(Indicator(risk=risk, **values), by=cast.actor(cast.owner))


INDICATOR = {"name_en": "Drop-outs", "unit_en": "a day", "bad_when": "above", "amber": "3", "red": "9"}


@pytest.mark.parametrize(("who", "status"), WHO_MAY_EDIT)
def test_indicator_form_opens_for_those_who_may(cast: Cast, risk: Risk, who: str, status: int) -> None:
    assert cast.client_for(getattr(cast, who)).get(PAGE + "indicators/new/").status_code == status


def test_indicator_is_added_and_the_page_told(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    url = PAGE + "indicators/new/"
    answer = cast.client_for(cast.owner).post(url, INDICATOR, headers=htmx_headers("dialog"))
    assert json.loads(answer.headers["HX-Trigger"])["risk-changed"] == {"code": "VOICE-1"}
    found = Indicator.objects.get(risk=risk)
    assert (found.name_en, found.unit_en, found.amber, found.red) == ("Drop-outs", "a day", 3, 9)


def test_indicator_is_changed(cast: Cast, indicator: Indicator) -> None:
    client, url = cast.client_for(cast.owner), f"{PAGE}indicators/{indicator.pk}/"
    answer = client.post(url, form_of(client, url, **INDICATOR))
    assert answer.headers["Location"] == PAGE
    assert Indicator.objects.get(pk=indicator.pk).name_en == "Drop-outs"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name_en": ""}, "name_en"),
        ({"name_en": "a\x00"}, "name_en"),
        ({"amber": "much"}, "amber"),
        ({"red": "inf"}, "red"),
        ({"amber": "9", "red": "3"}, "red"),
        ({"bad_when": "sideways"}, "bad_when"),
    ],
)
def test_indicator_with_bad_input_says_so_at_the_field(
    cast: Cast, risk: Risk, changes: dict[str, str], field: str
) -> None:
    page = cast.client_for(cast.owner).post(PAGE + "indicators/new/", INDICATOR | changes)
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [field]
    assert Indicator.objects.count() == 0


def test_indicator_is_deleted_after_asking(cast: Cast, indicator: Indicator) -> None:
    client, url = cast.client_for(cast.owner), f"{PAGE}indicators/{indicator.pk}/delete/"
    assert client.get(url).status_code == 200
    assert Indicator.objects.count() == 1
    assert client.post(url).headers["Location"] == PAGE
    assert Indicator.objects.count() == 0


def test_indicator_by_somebody_who_may_not_is_refused(cast: Cast, indicator: Indicator) -> None:
    client = cast.client_for(cast.reader)
    assert client.post(f"{PAGE}indicators/{indicator.pk}/", INDICATOR).status_code == 403
    assert client.post(f"{PAGE}indicators/{indicator.pk}/delete/").status_code == 403
    assert Indicator.objects.get().name_en == "Word errors"


def test_indicator_of_another_risk_is_not_found(
    cast: Cast, indicator: Indicator, make_risk: MakeRisk
) -> None:
    make_risk()
    client = cast.client_for(cast.manager)
    for pk in (indicator.pk, 99999999999999999999):
        assert client.get(f"/t/acme/risks/VOICE-2/indicators/{pk}/").status_code == 404
        assert client.post(f"/t/acme/risks/VOICE-2/indicators/{pk}/delete/").status_code == 404

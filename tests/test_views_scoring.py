"""Scoring a risk: the matrix as a control, its reasons, and two people scoring at once."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import translation

from risks.enums import Kind
from risks.formatting import share_range
from risks.forms.scoring import AssessmentForm
from risks.models import Assessment, Risk
from risks.models.translated import Text
from risks.queries.matrix import load_matrix
from risks.services.assessment import assess_risk
from tests.cast import Cast

URL = "/t/acme/risks/VOICE-1/assess/"


@pytest.fixture
def risk(make_risk: Any, cast: Cast) -> Risk:
    return make_risk(inherent=(5, 4), residual=(4, 3), owner=cast.owner)  # type: ignore[no-any-return]


def _position(risk: Risk, kind: str = "residual") -> tuple[int, int] | None:
    return Risk.objects.get(pk=risk.pk).position(kind)


def _texts(html: str, css: str) -> list[str]:
    return re.findall(rf'class="[^"]*{css}[^"]*"[^>]*>\s*<p>(.*?)</p>', html)


# --- the control


def test_picker_offers_every_cell_with_words_and_marks_the_position(cast: Cast, risk: Risk) -> None:
    html = cast.client_for(cast.owner).get(URL).content.decode()
    assert len(re.findall(r'type="radio" name="cell"', html)) == 25
    checked = re.findall(r'value="([\d-]+)" aria-label="([^"]+)"[^>]* checked', html)
    assert checked == [("4-3", "Likely × Serious: 7 High")]
    assert re.findall(r'picker-kind" aria-hidden="true">(\w)<', html) == ["I", "R"]


def test_picker_heads_carry_number_ranges_and_money(cast: Cast, risk: Risk) -> None:
    html = cast.client_for(cast.owner).get(URL).content.decode()
    heads = re.findall(r'<th scope="(row|col)"[^>]*>([^<]+)<small>([^<]+)</small>', html)
    assert heads[0] == ("row", "Almost certain", share_range(0.5, 1))
    assert [name for scope, name, _range in heads if scope == "col"] == [
        "Minor", "Moderate", "Serious", "Major", "Severe",
    ]  # fmt: skip
    assert all("¥" in span for scope, _name, span in heads if scope == "col")


def test_picker_speaks_the_readers_language(cast: Cast, risk: Risk) -> None:
    with translation.override("zh-hans"):
        form = AssessmentForm(risk=risk, matrix=load_matrix(risk.register.matrix))
        assert 'aria-label="很可能 × 较大: 7 高"' in str(form["cell"])


@pytest.mark.parametrize(("kind", "cell"), [("inherent", "5-4"), ("residual", "4-3"), ("target", None)])
def test_assess_page_shows_the_kind_of_the_address(
    cast: Cast, risk: Risk, kind: str, cell: str | None
) -> None:
    page = cast.client_for(cast.owner).get(f"{URL}?kind={kind}")
    assert (page.context["kind"], page.context["form"]["cell"].value()) == (kind, cell)


def test_assess_page_of_an_unknown_kind_is_not_found(cast: Cast, risk: Risk) -> None:
    assert cast.client_for(cast.owner).get(f"{URL}?kind=imagined").status_code == 404


def test_assess_as_a_dialog_is_a_fragment(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    html = cast.client_for(cast.owner).get(URL, headers=htmx_headers("dialog")).content.decode()
    assert html.lstrip().startswith("<dialog")
    assert 'hx-target="#dialog"' in html
    assert "<html" not in html


# --- who may


@pytest.mark.parametrize(
    ("who", "status"),
    [("reader", 403), ("contributor", 403), ("owner", 200), ("manager", 200), ("outsider", 404)],
)
def test_assess_page_opens_for_those_who_may(cast: Cast, risk: Risk, who: str, status: int) -> None:
    assert cast.client_for(getattr(cast, who)).get(URL).status_code == status


def test_assess_signed_out_leads_to_the_sign_in_page(client: Client, risk: Risk) -> None:
    assert client.get(URL).headers["Location"] == f"/accounts/login/?next={URL}"


def test_assess_by_a_reader_writes_nothing(cast: Cast, risk: Risk) -> None:
    before = Assessment.objects.count()
    assert cast.client_for(cast.reader).post(URL, {"cell": "4-3"}).status_code == 403
    assert Assessment.objects.count() == before


def test_assess_of_a_foreign_or_unknown_risk_is_not_found(cast: Cast, risk: Risk) -> None:
    client = cast.client_for(cast.manager)
    assert client.get("/t/acme/risks/OTHER-1/assess/").status_code == 404
    assert client.post("/t/acme/risks/VOICE-999/assess/", {"cell": "1-1"}).status_code == 404


# --- scoring


def test_assess_within_the_level_needs_no_reason(cast: Cast, risk: Risk) -> None:
    answer = cast.client_for(cast.owner).post(URL, {"cell": "3-4", "kind": "residual", "seen_rank": "3007"})
    assert answer.headers["Location"] == "/t/acme/risks/VOICE-1/"
    assert _position(risk) == (3, 4)


def test_assess_by_htmx_answers_with_the_event(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    answer = cast.client_for(cast.owner).post(URL, {"cell": "3-4"}, headers=htmx_headers("dialog"))
    assert (answer.status_code, answer.content) == (200, b"")
    events = json.loads(answer.headers["HX-Trigger"])
    assert events["risk-assessed"] == {"code": "VOICE-1"}
    assert events["toasts"] == [{"text": "VOICE-1 is scored.", "level": "success"}]


@pytest.mark.parametrize("target", ["", "dialog"])
def test_assess_into_another_level_asks_for_the_reason(
    cast: Cast, risk: Risk, htmx_headers: Any, target: str
) -> None:
    headers = htmx_headers(target) if target else {}
    page = cast.client_for(cast.owner).post(URL, {"cell": "5-5", "seen_rank": "3007"}, headers=headers)
    html = page.content.decode()
    assert page.status_code == 422
    message = "The level changes. Say why, so that others can follow it."
    assert page.context["form"].errors == {"reason": [message]}
    assert _texts(html, "invalid-feedback") == [message]
    assert re.findall(r'value="([\d-]+)"[^>]* checked', html) == ["5-5"]  # nothing chosen is lost
    assert _position(risk) == (4, 3)


def test_assess_with_a_reason_keeps_it_with_the_assessment(cast: Cast, risk: Risk) -> None:
    cast.client_for(cast.owner).post(URL, {"cell": "5-5", "reason": "Tests failed <b>twice</b> 😱"})
    newest = Assessment.objects.filter(risk=risk).latest("id")
    assert (newest.kind, newest.probability, newest.impact) == ("residual", 5, 5)
    assert (newest.reason_en, newest.assessed_by) == ("Tests failed <b>twice</b> 😱", cast.owner)
    html = cast.client_for(cast.owner).get("/t/acme/risks/VOICE-1/").content.decode()
    assert "Tests failed &lt;b&gt;twice&lt;/b&gt; 😱" in html


def test_assess_a_target_worse_than_the_residual_asks_for_the_reason(cast: Cast, risk: Risk) -> None:
    page = cast.client_for(cast.owner).post(URL, {"cell": "5-5", "kind": "target"})
    assert page.context["form"].errors == {
        "reason": ["This target is worse than the risk is now. Choose a better one, or say why."]
    }
    assert _position(risk, "target") is None


@pytest.mark.parametrize("cell", ["", "9-9", "0-1", "4", "4-3-2", "x", "4-3\x00", "99999999999999999999-1"])
def test_assess_with_a_cell_outside_the_matrix_says_so(cast: Cast, risk: Risk, cell: str) -> None:
    page = cast.client_for(cast.owner).post(URL, {"cell": cell, "reason": "Because"})
    assert page.status_code == 422
    assert page.context["form"].errors == {"cell": ["Choose a cell of the matrix."]}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"reason": "a\x00b"}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"seen_rank": "often"}, "seen_rank"),
        ({"seen_rank": "-1"}, "seen_rank"),
    ],
)
def test_assess_with_bad_input_is_refused(cast: Cast, risk: Risk, values: dict[str, str], field: str) -> None:
    page = cast.client_for(cast.owner).post(URL, {"cell": "3-4"} | values)
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [field]


def test_assess_with_a_huge_seen_rank_is_a_conflict(cast: Cast, risk: Risk) -> None:
    page = cast.client_for(cast.owner).post(URL, {"cell": "3-4", "seen_rank": "9" * 30})
    assert page.status_code == 409


def test_assess_after_somebody_else_shows_the_new_position_and_keeps_the_choice(
    cast: Cast, risk: Risk
) -> None:
    assess_risk(risk, Kind.RESIDUAL, 2, 2, by=cast.actor(cast.manager), reason=Text("Better now"))
    client = cast.client_for(cast.owner)
    values = {"cell": "5-5", "reason": "Worse", "seen_rank": "3007"}
    page = client.post(URL, values)
    assert page.status_code == 409
    assert page.context["form"].non_field_errors() == [
        "Somebody else has scored this risk meanwhile. Look at the new position, then decide."
    ]
    html = page.content.decode()
    assert re.findall(r'value="([\d-]+)"[^>]* checked', html) == ["5-5"]
    assert re.findall(r'name="seen_rank" value="(\d+)"', html) == ["1004"]
    assert client.post(URL, values | {"seen_rank": "1004"}).status_code == 302
    assert _position(risk) == (5, 5)


def test_assess_a_closed_risk_is_refused_with_the_reason(cast: Cast, make_risk: Any) -> None:
    make_risk(residual=(2, 2), state="closed")
    page = cast.client_for(cast.manager).post(URL, {"cell": "3-3"}, headers={"HX-Request": "true"})
    assert (page.status_code, page.content.decode()) == (403, "This risk is closed. Reopen it to change it.")


def test_assess_page_has_as_many_queries_after_thirty_assessments(
    cast: Cast, risk: Risk, count_queries: Any
) -> None:
    client = cast.client_for(cast.owner)
    client.get(URL)
    few = count_queries(lambda: client.get(URL))
    for _ in range(30):
        assess_risk(risk, Kind.RESIDUAL, 4, 3, by=cast.actor(cast.owner))
    assert count_queries(lambda: client.get(URL)) == few <= 6


def test_assess_form_is_sent_to_where_signing_in_again_leads_back_to(
    client: Client, cast: Cast, risk: Risk, htmx_headers: Any
) -> None:
    dialog = cast.client_for(cast.manager).get(f"{URL}?kind=target", headers=htmx_headers("dialog"))
    sent_to = re.findall(r'(?:action|hx-post)="([^"]*)"', dialog.content.decode())
    answer = client.post(sent_to[0], {"kind": "target"}, headers=htmx_headers("dialog"))
    back = parse_qs(urlsplit(answer.headers["HX-Redirect"]).query)["next"]
    assert [*sent_to, *back] == [f"{URL}?kind=target"] * 3

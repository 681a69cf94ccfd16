"""The overview: every figure equals the list behind it."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from risks.enums import Kind, Moved
from risks.models import Acceptance
from risks.models.translated import Text
from risks.queries.overview import read_trend
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.risk import move_risk
from risks.services.tally import tally_from_history
from risks.services.team import create_register

URL = "/t/acme/"


@pytest.fixture
def today():
    return timezone.localdate()


@pytest.fixture
def many(cast, make_risk, make_mitigation, today):
    """Something of everything."""
    ago = timezone.now() - timedelta(days=60)
    yesterday = today - timedelta(days=1)
    late = make_risk(title_en="Late", residual=(5, 5), owner=cast.owner, next_review_date=yesterday)
    make_risk(title_en="Unassessed", owner=cast.owner)
    make_risk(title_en="Draft", state="draft")
    make_risk(title_en="High", residual=(4, 4), at=ago)
    make_risk(title_en="Closed", residual=(4, 4), state="closed")
    make_risk(title_en="Accepted", residual=(3, 3), owner=cast.owner, state="accepted")
    Acceptance.objects.update(until_date=today + timedelta(days=10))
    better = make_risk(title_en="Better", residual=(4, 4), at=ago)
    assess_risk(better, Kind.RESIDUAL, 1, 1, by=cast.actor(cast.manager), reason=Text("Proven in use"))
    worse = make_risk(title_en="Worse", residual=(1, 1), at=ago)
    assess_risk(worse, Kind.RESIDUAL, 5, 5, by=cast.actor(cast.manager), reason=Text("Two incidents"))
    again = make_risk(title_en="Closed again", state="closed", at=ago)
    for name in ("reopen", "close"):
        again.refresh_from_db()
        move_risk(again, MOVES_BY_NAME[name], by=cast.actor(cast.manager), reason=Text("Decided"))
    make_mitigation(late, owner=cast.owner, due_date=yesterday, title_en="Late work")
    make_mitigation(late, due_date=yesterday)


def total(client, url):
    return client.get(url.replace("&amp;", "&")).context["table"].total


@pytest.mark.parametrize("query", ["", "?register=VOICE"])
def test_overview_figures_equal_the_lists_behind_them(cast, many, query):
    client = cast.client_for(cast.owner)
    context = client.get(URL + query).context
    figures = {figure.label: figure for figure in context["figures"]}
    assert {label: figure.value for label, figure in figures.items()} == {
        "Active risks": "6", "High or critical": "3", "Late mitigations": "2", "Reviews overdue": "4",
        "Not assessed": "1", "Drafts waiting": "1",
    }  # fmt: skip
    for figure in figures.values():
        assert total(client, figure.url) == int(figure.value), figure.label


@pytest.mark.parametrize("query", ["", "?register=VOICE"])
def test_overview_changes_equal_the_lists_behind_them(cast, many, query):
    client = cast.client_for(cast.reader)
    changes = client.get(URL + query).context["changes"]
    assert {what: count for what, count, _url in changes} == {
        Moved.NEW: 4, Moved.CLOSED: 2, Moved.UP: 1, Moved.DOWN: 1,
    }  # fmt: skip
    assert [total(client, url) for _what, _count, url in changes] == [4, 2, 1, 1]


def test_overview_work_of_the_owner_equals_the_lists_behind_it(cast, many):
    client = cast.client_for(cast.owner)
    work = client.get(URL).context["work"]
    assert [(group.label, group.count, [task.title for task in group.tasks]) for group in work] == [
        ("My late mitigations", 1, ["Late work"]),
        ("My risks due for review", 1, ["Late"]),
        ("My risks not assessed", 1, ["Unassessed"]),
        ("Acceptances that end soon", 1, ["Accepted"]),
    ]
    assert [total(client, group.url) for group in work] == [1, 1, 1, 1]


def test_overview_work_of_a_manager_holds_drafts_and_approved_acceptances(cast, many):
    work = cast.client_for(cast.manager).get(URL).context["work"]
    assert {group.label: group.count for group in work} == {
        "Acceptances that end soon": 1,
        "Drafts to confirm": 1,
    }


def test_overview_work_of_a_reader_is_none_and_says_so(cast, many):
    response = cast.client_for(cast.reader).get(URL)
    assert response.context["work"] == []
    assert "Nothing waits for you" in response.content.decode()


def test_overview_acceptances_that_end_soon_lead_to_these_only(cast, many, make_risk, today):
    make_risk(title_en="Accepted for long", residual=(3, 3), owner=cast.owner, state="accepted")
    Acceptance.objects.filter(risk__title_en="Accepted for long").update(
        until_date=today + timedelta(days=90)
    )
    client = cast.client_for(cast.owner)
    for query in ("", "?register=VOICE"):
        work = {group.label: group for group in client.get(URL + query).context["work"]}
        group = work["Acceptances that end soon"]
        assert (group.count, total(client, group.url)) == (1, 1)


def test_overview_long_work_shows_five_and_counts_the_others(cast, make_risk, today):
    for _ in range(7):
        make_risk(owner=cast.owner, residual=(2, 2), next_review_date=today - timedelta(days=3))
    client = cast.client_for(cast.owner)
    [group] = client.get(URL).context["work"]
    assert (group.count, len(group.tasks), group.more) == (7, 5, 2)
    assert total(client, group.url) == 7


def test_overview_top_begins_with_the_worst(cast, many):
    top = cast.client_for(cast.reader).get(URL).context["found"].top
    assert [risk.title for risk in top] == ["Worse", "Late", "High", "Accepted", "Better"]


def test_overview_top_rows_are_links_with_level_and_owner(cast, make_risk):
    make_risk(title_en="Voices are <cloned>", residual=(5, 5), owner=cast.owner)
    make_risk(title_en="Lines drop", residual=(1, 1))
    page = cast.client_for(cast.reader).get(URL).content.decode()
    [rows] = re.findall(r'<h2 id="top-title">.*?<ol class="rows">(.*?)</ol>', page, re.DOTALL)
    links = re.findall(r'<li><a href="([^"]*)">(.*?)</a></li>', rows)
    texts = [(url, " ".join(re.sub(r"<[^>]*>", " ", inner).split())) for url, inner in links]
    assert texts == [
        ("/t/acme/risks/VOICE-1/", "VOICE-1 Voices are &lt;cloned&gt; Owner ■ 10 Critical"),
        ("/t/acme/risks/VOICE-2/", "VOICE-2 Lines drop ○ 2 Low"),
    ]
    assert "RiskRow" not in page


def test_overview_latest_changes_say_what_why_and_who(cast, many):
    acts = cast.client_for(cast.reader).get(URL).context["acts"]
    told = {(act.title, act.before, act.after, act.direction, act.reason) for act in acts}
    assert ("Better", "High 8", "Low 2", "down", "Proven in use") in told
    assert ("Worse", "Low 2", "Critical 10", "up", "Two incidents") in told
    assert {act.by for act in acts} == {"Manager"}
    assert len(acts) == 8


def test_overview_heat_map_counts_link_to_their_lists(cast, many):
    client = cast.client_for(cast.reader)
    page = client.get(URL).content.decode()
    found = re.findall(r'<a class="heat-count" href="([^"]*)" title="[^"]*">(\d+)<', page)
    assert sorted(int(count) for _url, count in found) == [1, 1, 1, 2]
    assert [total(client, url) for url, _count in found] == [int(count) for _url, count in found]


RANGES = {
    "frequency_low": 0.1, "frequency_high": 0.3,
    "impact_low": 0.01, "impact_likely": 0.02, "impact_high": 0.05,
}  # fmt: skip


def loss_figures(response):
    figures = response.context["figures"]
    return [figure for figure in figures if figure.label == "Expected loss a year"]


def test_overview_expected_loss_is_money_and_says_of_how_many_risks(cast, make_risk):
    make_risk(**RANGES)
    make_risk(residual=(5, 5))
    make_risk()
    make_risk(state="closed", **RANGES)
    client = cast.client_for(cast.reader)
    response = client.get(URL)
    [figure] = loss_figures(response)
    assert (figure.value, figure.note) == ("¥50.4\N{NO-BREAK SPACE}k", "1 of 3 risks estimated")
    assert "<small>1 of 3 risks estimated</small>" in response.content.decode()
    table = client.get(figure.url).context["table"]
    assert not table.errors
    assert table.total == 3
    assert table.columns["loss"].visible


def test_overview_expected_loss_leaves_out_registers_without_a_budget(cast, make_risk, matrix):
    values = {"key": "FREE", "name_en": "Free", "matrix": matrix}
    other = create_register(cast.team, values, by=cast.actor(cast.administrator))
    make_risk(**RANGES)
    make_risk(register=other, **RANGES)
    [figure] = loss_figures(cast.client_for(cast.reader).get(URL))
    assert figure.note == "1 of 1 risk estimated"


def test_trend_ends_as_the_register_stands_and_agrees_with_the_history(cast, register, many, today):
    trend = read_trend([register], today)
    history = tally_from_history(register)
    for level, counts in trend.counts.items():
        for month, count in zip(trend.months, counts, strict=True):
            assert count == sum(
                d for (m, its_level), d in history.items() if its_level == level and m <= month
            )
    assert {level: counts[-1] for level, counts in trend.counts.items() if counts[-1]} == {
        0: 1,
        1: 1,
        2: 1,
        3: 1,
        4: 2,
    }
    assert len(trend.months) == 12


def test_overview_trend_links_equal_its_figures(cast, many):
    client = cast.client_for(cast.reader)
    bands = client.get(URL).context["trend"].bands
    assert [total(client, band.url) for band in bands] == [band.now for band in bands]
    assert sum(band.now for band in bands) == 6


def test_overview_without_risks_offers_the_first_step(cast, register):
    page = cast.client_for(cast.contributor).get(URL).content.decode()
    assert "Nothing is logged yet" in page
    assert 'href="/t/acme/risks/new/"' in page
    assert "Readers cannot log risks" in cast.client_for(cast.reader).get(URL).content.decode()


def test_overview_without_a_register_offers_to_make_one(cast):
    assert 'href="/t/acme/registers/"' in cast.client_for(cast.administrator).get(URL).content.decode()


def test_overview_of_one_register_knows_nothing_of_the_others(cast, many, matrix):
    values = {"key": "EMPTY", "name_en": "Empty", "matrix": matrix}
    create_register(cast.team, values, by=cast.actor(cast.administrator))
    assert (
        "Nothing is logged yet" in cast.client_for(cast.owner).get(URL + "?register=EMPTY").content.decode()
    )


def test_overview_is_for_members_only(cast, client, many):
    assert cast.client_for(cast.outsider).get(URL).status_code == 404
    assert client.get(URL)["Location"] == f"/accounts/login/?next={URL}"
    assert cast.client_for(cast.manager).post(URL).status_code == 405


def test_overview_becomes_the_home_of_the_person(cast, many):
    client = cast.client_for(cast.reader)
    client.get(URL)
    assert client.get("/")["Location"] == URL


@pytest.mark.parametrize("query", ["", "?register=VOICE"])
def test_overview_queries_do_not_grow_with_rows(cast, many, make_risk, make_mitigation, count_queries, query):
    client = cast.client_for(cast.owner)
    client.get(URL)
    first = count_queries(lambda: client.get(URL + query))
    for _ in range(29):
        make_mitigation(make_risk(owner=cast.owner, residual=(3, 3)), owner=cast.owner)
    assert count_queries(lambda: client.get(URL + query)) == first
    assert first <= 12

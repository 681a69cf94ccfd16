"""The benchmark: its content is as the services write it, and its pages keep their number of queries."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import Count, Max, Q, Sum
from django.test import Client
from django.utils import timezone

from risks.enums import Kind
from risks.models import Assessment, AuditEvent, LevelTally, Mitigation, Register, Risk, StateChange, User
from risks.models.search import search_risks
from risks.queries.as_of import risks_at
from risks.queries.movement import read_history
from risks.services.risk import bulk_update_risks, update_risk
from risks.services.tally import tally_from_history
from tests.benchmarks.history import without_history
from tests.benchmarks.measure import percentile
from tests.benchmarks.middleware import HEADER
from tests.benchmarks.pages import (
    FLOOR,
    MAX_QUERIES,
    PAGES,
    SIGN_IN,
    Figures,
    Page,
    growing,
    misses,
    slow_past,
)
from tests.benchmarks.seed import seed


@pytest.fixture
def seeded(matrix) -> Register:
    return seed(50)


def figures(**values):
    common = {
        "database": "SQLite", "risks": 10_000, "page": "list", "status": 200, "queries": 12,
        "p50_ms": 10.0, "p95_ms": 12.0, "cpu_ms": 9.0, "bytes": 120_000, "peak_mb": 90.0,
        "floor_ms": 2.0, "floor_ratio": 5.0,
    }  # fmt: skip
    return Figures(**(common | values))


# --- the content


def test_seed_makes_risks_with_three_assessments_and_mitigations(seeded):
    assert Risk.objects.filter(register=seeded).count() == 50
    assert seeded.next_number == 51
    kinds = Assessment.objects.filter(register=seeded).values_list("kind").annotate(Count("pk"))
    assert dict(kinds.order_by()) == {"inherent": 50, "residual": 100}
    per_risk = Mitigation.objects.filter(register=seeded).values_list("risk").annotate(number=Count("pk"))
    assert {number for _, number in per_risk.order_by()} == {1, 2}
    assert per_risk.order_by().count() == 50


def test_seed_positions_are_those_of_the_newest_assessments(seeded):
    for risk in Risk.objects.filter(register=seeded):
        for kind in (Kind.INHERENT, Kind.RESIDUAL):
            acts = list(risk.assessments.filter(kind=kind).order_by("assessed_at"))
            assert risk.position(kind) == (acts[-1].probability, acts[-1].impact)
            assert getattr(risk, f"{kind}_rank") == acts[0].rank + sum(act.delta for act in acts)


def test_seed_state_is_the_one_last_entered(seeded):
    for risk in Risk.objects.filter(register=seeded):
        assert risk.state_changes.order_by("moved_at").last().to_state == risk.state


def test_seed_tally_adds_up_to_the_levels_of_active_risks(seeded):
    tallies = LevelTally.objects.filter(register=seeded)
    levels = Risk.objects.filter(register=seeded, active=True).values_list("residual_level", flat=True)

    totals = tallies.values_list("level").annotate(total=Sum("delta")).filter(~Q(total=0)).order_by()
    assert dict(totals) == Counter(levels)
    assert {(t.month_date, t.level): t.delta for t in tallies} == tally_from_history(seeded)


def test_seed_search_finds_every_risk_by_its_code(seeded):
    risks = Risk.objects.filter(register=seeded)

    assert search_risks(risks, "perf").count() == 50
    assert search_risks(risks, "PERF-50").get().number == 50


# --- the pages


def queries_at(risks: int, page: Page) -> int:
    """How many queries the page makes with so many risks, once the process is warm."""
    with transaction.atomic():
        seed(risks)
        client = Client()
        client.force_login(User.objects.get(email=SIGN_IN))
        client.get(page.address)
        response = client.get(page.address)
        transaction.set_rollback(True)
    assert response.status_code == 200
    return int(response.headers[HEADER])


@pytest.fixture
def benchmark_settings(settings):
    settings.ROOT_URLCONF = "tests.benchmarks.urls"
    settings.MIDDLEWARE = ["tests.benchmarks.middleware.CountQueriesMiddleware", *settings.MIDDLEWARE]


LISTING_PAGES = [page for page in PAGES if page.name != "overview"]


@pytest.mark.parametrize("measured", LISTING_PAGES, ids=lambda page: page.name)
def test_page_makes_as_many_queries_at_1_risk_as_at_30(matrix, benchmark_settings, measured):
    at_one, at_thirty = queries_at(1, measured), queries_at(30, measured)

    assert at_one == at_thirty <= MAX_QUERIES


def test_overview_makes_fewer_queries_only_where_there_is_nothing_to_show(matrix, benchmark_settings):
    overview = next(page for page in PAGES if page.name == "overview")
    counts = [queries_at(risks, overview) for risks in (1, 30, 300)]

    assert counts == sorted(counts)
    assert counts[-1] <= MAX_QUERIES


def test_floor_makes_the_queries_of_the_frame_only(matrix, benchmark_settings):
    assert queries_at(1, FLOOR) == 4  # session, person, memberships, registers


# --- the judgement


LIST = Page("list", "risks/", 5, 120)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"status": 500}, ["status 500"]),
        ({"queries": 13}, ["more than 12 queries"]),
        ({"floor_ratio": 5.01}, ["more than 5 × the floor"]),
        ({"floor_ratio": 10.0, "risks": 100_000}, []),
        ({"floor_ratio": 10.01, "risks": 100_000}, ["more than 10 × the floor"]),
        ({"bytes": 120_001}, ["more than 120 kB"]),
    ],
)
def test_misses_are_told_in_words(values, expected):
    assert misses(LIST, figures(**values)) == expected


def test_growing_names_pages_whose_queries_rise_with_the_risks():
    runs = [
        figures(page="list", risks=1_000, queries=9), figures(page="list", risks=10_000, queries=9),
        figures(page="risk", risks=1_000, queries=9), figures(page="risk", risks=10_000, queries=10),
    ]  # fmt: skip

    assert growing(runs) == ["risk: 9 queries at 1,000 risks, 10 queries at 10,000 risks"]


def test_slow_past_names_pages_of_a_past_day_beyond_five_times_those_of_today():
    def run(risks, past_ms):
        pages = {"list": 10.0, "list as of": past_ms, "matrix": 10.0, "matrix as of": 50.0}
        return [figures(page=page, risks=risks, p50_ms=p50) for page, p50 in pages.items()]

    assert slow_past(run(10_000, 50.0)) == []
    assert slow_past(run(100_000, 60.0)) == []
    assert slow_past(run(10_000, 51.0)) == ["list as of at 10,000 risks: 5.1 × list, allowed 5 ×"]


@pytest.mark.parametrize("model", [Risk, Mitigation])
def test_seed_newest_versions_are_the_rows(seeded, model):
    history = model.history.model
    names = [field.attname for field in history.tracked_fields]
    newest = history.objects.values("id").annotate(newest=Max("history_id")).values("newest")
    versions = history.objects.filter(pk__in=newest).order_by("id").values(*names)
    assert list(versions) == list(model.objects.order_by("id").values(*names))


def test_seed_versions_follow_the_acts(seeded):
    moves = StateChange.objects.filter(register=seeded).exclude(from_state="").count()
    assert Risk.history.model.objects.count() == 50 * 4 + moves
    for when in (timedelta(days=300), timedelta(days=100), timedelta()):
        moment = timezone.now() - when
        standing = read_history(seeded, moment).at(moment)
        versions = {risk.id: risk for risk in risks_at(seeded.team_id, [seeded.pk], moment)}
        assert {pk: risk.state for pk, risk in versions.items()} == standing.states
        for pk, risk in versions.items():
            for kind in Kind:
                position = standing.position(pk, kind)
                assert risk.position(kind) == (position and position.cell)


def test_percentile_is_a_value_that_was_seen():
    assert [percentile(list(range(1, 21)), share) for share in (0.05, 0.5, 0.95, 1)] == [1, 10, 19, 20]


# --- what history costs


@pytest.mark.past_history("measures the same without history")
def test_acts_without_history_write_the_same_but_no_version_and_no_line(cast, make_risk):
    one, two = (Risk.objects.select_related("register").get(pk=make_risk().pk) for _number in range(2))
    by, lines = cast.actor(cast.manager), AuditEvent.objects.count()
    with without_history():
        update_risk(one, {"title_en": "Other"}, by=by)
        bulk_update_risks([one.pk, two.pk], {"next_review_date": timezone.localdate()}, by=by)
    one.refresh_from_db()

    assert (one.title_en, one.next_review_date, one.version) == ("Other", timezone.localdate(), 3)
    assert (Risk.history.filter(id=one.pk).count(), AuditEvent.objects.count()) == (1, lines)
    update_risk(one, {"title_en": "Again"}, by=by)
    assert (Risk.history.filter(id=one.pk).count(), AuditEvent.objects.count()) == (2, lines + 1)

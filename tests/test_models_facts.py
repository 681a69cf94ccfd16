"""Facts of single rows, texts in two languages, and the querysets that read as English."""

from datetime import UTC, date, datetime

import pytest
from django.utils import translation

from risks.models import Acceptance, LevelTally, Matrix, Mitigation, Risk, StateChange, Team, Template, User
from risks.models.translated import Text, record_language
from tests.rows import change, create

# --- texts in two languages


@pytest.mark.parametrize(
    ("english", "chinese", "language", "text"),
    [
        ("Noise", "噪声", "en", "Noise"),
        ("Noise", "噪声", "zh-hans", "噪声"),
        ("Noise", "", "zh-hans", "Noise"),
        ("", "噪声", "en", "噪声"),
        ("", "", "en", ""),
    ],
)
def test_translated_prefers_the_language_of_the_reader(english, chinese, language, text):
    with translation.override(language):
        assert Risk(title_en=english, title_zh=chinese).title == text
        assert str(Text(english, chinese)) == text


@pytest.mark.parametrize(
    ("language", "columns"), [("en", "en"), ("zh-hans", "zh"), ("fr", "en"), (None, "en")]
)
def test_record_language_is_one_of_the_columns(language, columns):
    with translation.override(language):
        assert record_language() == columns


@pytest.mark.parametrize(("language", "text"), [("en", Text("So", "")), ("zh-hans", Text("", "So"))])
def test_text_typed_just_now_is_in_the_language_of_the_reader(language, text):
    with translation.override(language):
        assert Text.of("  So\n") == text


def test_text_of_blanks_is_no_text():
    assert not Text.of("  \n ")


def test_text_columns_are_those_of_the_field():
    assert Text("So", "如此").columns("reason") == {"reason_en": "So", "reason_zh": "如此"}


# --- people


@pytest.mark.parametrize(
    ("name", "email", "initials"),
    [
        ("Ada Lovelace", "a@x.example", "AL"),
        ("Grace Brewster Hopper", "g@x.example", "GH"),
        ("Ada", "a@x.example", "A"),
        ("José Álvarez", "j@x.example", "JÁ"),
        ("иван петров", "i@x.example", "ИП"),
        ("王小明", "w@x.example", "小明"),
        ("李娜", "l@x.example", "李娜"),
        ("", "reader@demo.example", "R"),
    ],
)
def test_initials_of_a_name_fit_the_avatar(name, email, initials):
    assert User(name=name, email=email).initials == initials


def test_user_address_is_kept_in_small_letters(db):
    assert User.objects.create_user("Ada@Example.ORG", "x").email == "ada@example.org"


def test_user_without_a_name_is_called_by_the_address():
    assert (str(User(email="a@x.example")), str(User(email="a@x.example", name="Ada"))) == (
        "a@x.example", "Ada",
    )  # fmt: skip


# --- risks and mitigations


@pytest.mark.parametrize(
    ("state", "active"),
    [("draft", False), ("open", True), ("treating", True), ("accepted", True), ("closed", False)],
)
def test_risk_is_active_as_its_column_says(make_risk, state, active):
    risk = make_risk(state=state)

    assert (risk.is_active, Risk.objects.get(pk=risk.pk).active) == (active, active)
    assert (risk in Risk.objects.active(), risk in Risk.objects.unassessed()) == (active, active)


def test_risk_review_is_due_after_its_day_while_active(make_risk):
    due, closed = date(2026, 5, 1), make_risk(state="closed")
    risk = make_risk(next_review_date=due)
    change(Risk.objects.filter(pk=closed.pk), next_review_date=due)
    closed.refresh_from_db()

    assert [risk.is_review_due(due), risk.is_review_due(date(2026, 5, 2))] == [False, True]
    assert closed.is_review_due(date(2026, 5, 2)) is False
    assert list(Risk.objects.review_due(due)) == []
    assert list(Risk.objects.review_due(date(2026, 5, 2))) == [risk]


def test_risks_worst_first_are_those_of_the_highest_level_then_score(make_risk):
    for title, cell in {"none": None, "low": (1, 1), "critical": (5, 5), "high": (4, 4)}.items():
        make_risk(title_en=title, residual=cell)

    ranked = Risk.objects.filter(code__startswith="VOICE").worst_first()

    assert [risk.title_en for risk in ranked] == ["critical", "high", "low", "none"]


def test_risks_and_mitigations_are_visible_to_members_only(cast, make_risk, make_mitigation):
    risk = make_risk()
    mitigation = make_mitigation(risk)

    assert list(Risk.objects.visible_to(cast.reader)) == [risk]
    assert list(Risk.objects.visible_to(cast.outsider)) == [cast.other_risk]
    assert list(Mitigation.objects.visible_to(cast.reader)) == [mitigation]
    assert list(Mitigation.objects.visible_to(cast.outsider)) == []


def test_risks_owned_by_somebody_are_theirs(cast, make_risk):
    mine = make_risk(owner=cast.owner)
    make_risk(owner=cast.manager)

    assert list(Risk.objects.owned_by(cast.owner)) == [mine]


def test_mitigations_pending_are_not_over(make_risk, make_mitigation):
    risk = make_risk()
    states = ("planned", "under_way", "done", "dropped")
    mitigations = [make_mitigation(risk, state=state) for state in states]

    assert list(Mitigation.objects.pending()) == mitigations[:2]
    assert [mitigation.is_pending for mitigation in mitigations] == [True, True, False, False]


def test_matrices_available_to_a_team_are_the_products_and_its_own(cast):
    own = create(Matrix, team=cast.team, key="own", name_en="Own")
    create(Matrix, team=cast.other_team, key="own", name_en="Foreign")
    change(Matrix.objects.filter(key="product-3x3"), is_active=False)

    offered = {matrix.key: matrix.team for matrix in Matrix.objects.available_to(cast.team)}

    assert offered == {"log-5x5": None, "product-4x4": None, "product-5x5": None, "own": own.team}


@pytest.mark.parametrize(
    ("instance", "text"),
    [
        (Team(slug="a", name_zh="甲"), "甲"),
        (Template(code="TEC-01", title_en="Noise"), "TEC-01 · Noise"),
        (LevelTally(month_date=date(2026, 3, 1), level=4, delta=-2), "2026-03 4: -2"),
        (
            StateChange(from_state="open", to_state="closed", moved_at=datetime(2026, 3, 1, 9, tzinfo=UTC)),
            "2026-03-01 09:00 open → closed",
        ),
        (Acceptance(approver=User(name="Ada"), until_date=date(2026, 3, 1)), "Ada, 2026-03-01"),
    ],
)
def test_record_is_called_by_what_tells_it_apart(instance, text):
    assert str(instance) == text

"""The demonstration as it is loaded: whole, consistent with its history, and about now."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from risks.enums import Kind, MitigationKind, NoticeKind, State
from risks.models import (
    Assessment,
    AuditEvent,
    Comment,
    LevelTally,
    Membership,
    Mitigation,
    Notice,
    Register,
    Risk,
    RiskLink,
    StateChange,
    Team,
    User,
)
from risks.models.search import search_risks
from risks.queries.as_of import risks_at
from risks.queries.movement import day_end, read_history
from risks.services.demo import PASSWORD, load_demo
from risks.services.tally import tally_from_history

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _loaded_once(django_db_setup, django_db_blocker):
    """The demonstration, for all tests of this module: each undoes its own changes, the module this one's."""
    with django_db_blocker.unblock(), override_settings(DEMO=True), transaction.atomic():
        load_demo()
        with django_db_blocker.block():
            yield
        transaction.set_rollback(True)


@pytest.fixture
def demo(settings) -> Team:
    settings.DEMO = True
    return Team.objects.get(slug="demo")


def test_demo_loaded_again_changes_nothing(demo):
    before = (Risk.objects.count(), AuditEvent.objects.count())

    assert load_demo() is False
    assert (Risk.objects.count(), AuditEvent.objects.count()) == before


def test_demo_registers_have_twenty_risks_in_all_states_and_categories(demo):
    for register in demo.registers.all():
        risks = Risk.objects.filter(register=register)
        assert (register.key, risks.count()) == (register.key, 20)
        assert set(risks.values_list("state", flat=True)) == set(State.values)
        assert risks.values("category").distinct().count() == 4
    assert [register.key for register in demo.registers.all()] == ["TRANS", "VISION", "VOICE"]


def test_demo_discussion_mentions_people_links_risks_and_mails_nobody(demo):
    assert Comment.objects.count() == 15
    assert RiskLink.objects.count() == 9
    assert Risk.objects.get(code="VOICE-1").comment_count == 5
    manager = User.objects.get(email="manager@demo.example")
    assert Notice.objects.filter(user=manager, kind=NoticeKind.MENTION).count() == 2
    assert not Notice.objects.exclude(mail_due_at=None).exists()


def test_demo_tally_is_what_the_history_says(demo):
    for register in demo.registers.all():
        rows = LevelTally.objects.filter(register=register).exclude(delta=0)

        assert {(r.month_date, r.level): r.delta for r in rows} == tally_from_history(register)


def test_demo_positions_are_those_of_the_newest_assessments(demo):
    for risk in Risk.objects.filter(team=demo):
        for kind in Kind:
            newest = Assessment.objects.filter(risk=risk, kind=kind).order_by("assessed_at", "id").last()
            position = newest and (newest.probability, newest.impact)
            assert (risk.code, risk.position(kind)) == (risk.code, position)


def test_demo_history_covers_seven_months_and_nothing_of_it_lies_ahead(demo):
    months = {
        (at.year, at.month)
        for at in Assessment.objects.filter(risk__team=demo).values_list("assessed_at", flat=True)
    }
    now = timezone.now()

    assert len(months) >= 7
    assert Assessment.objects.filter(assessed_at__gt=now).count() == 0
    assert StateChange.objects.filter(moved_at__gt=now).count() == 0
    assert AuditEvent.objects.filter(happened_at__gt=now).count() == 0
    assert Risk.objects.filter(logged_at__gt=now).count() == 0


def test_demo_states_follow_their_changes(demo):
    for risk in Risk.objects.filter(team=demo):
        changes = list(risk.state_changes.order_by("id").values_list("from_state", "to_state"))

        assert changes[0][0] == ""
        assert [to for _, to in changes[:-1]] == [frm for frm, _ in changes[1:]]
        assert (risk.code, changes[-1][1]) == (risk.code, risk.state)


def test_demo_has_all_kinds_of_mitigations_and_some_late(demo):
    mitigations = Mitigation.objects.filter(team=demo)

    assert set(mitigations.values_list("kind", flat=True)) == set(MitigationKind.values)
    assert mitigations.late(timezone.localdate()).count() > 0
    assert mitigations.filter(kind="contingency", trigger_en="").count() == 0


def test_demo_accounts_of_each_role_sign_in(demo):
    roles = {
        m.user.email: m.role for m in demo.memberships.select_related("user") if m.user.has_usable_password()
    }

    assert roles == {
        f"{role}@demo.example": role for role in ("reader", "contributor", "manager", "administrator")
    }
    assert all(User.objects.get(email=email).check_password(PASSWORD) for email in roles)


def test_demo_risks_are_found_in_both_languages(demo):
    risk = Risk.objects.filter(team=demo).exclude(title_zh="").first()

    for text in (risk.code, risk.title_zh[:4], risk.title_en.split()[0]):
        assert risk in search_risks(Risk.objects.all(), text)


@pytest.mark.parametrize("model", [Risk, Mitigation, Register, Membership])
def test_demo_versions_were_written_in_the_order_of_their_dates(demo, model):
    last = {}
    for pk, at in model.history.model.objects.order_by("history_id").values_list("id", "history_date"):
        assert (pk, last.get(pk, at)) <= (pk, at)
        last[pk] = at
    assert set(last) == set(model.objects.values_list("pk", flat=True))
    assert max(last.values()) <= timezone.now()


@pytest.mark.parametrize("days", [0, 1, 7, 30, 90, 150, 210])
def test_demo_on_a_past_day_is_what_scorings_and_moves_say(demo, days):
    moment = day_end(timezone.localdate() - timedelta(days=days))
    for register in demo.registers.select_related("matrix"):
        standing = read_history(register, moment).at(moment)
        versions = {risk.id: risk for risk in risks_at(demo.pk, [register.pk], moment)}
        assert {pk: risk.state for pk, risk in versions.items()} == standing.states
        for pk, risk in versions.items():
            for kind in Kind:
                position = standing.position(pk, kind)
                assert (risk.code, kind, risk.position(kind)) == (risk.code, kind, position and position.cell)

"""What changed in the last 30 days: the figures and the lists behind them are the same."""

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from risks.enums import Kind, Moved
from risks.models import Risk
from risks.models.translated import Text
from risks.queries.changes import moved_risks, window_start
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.risk import move_risk


@pytest.fixture
def days_ago():
    return lambda days: timezone.now() - timedelta(days=days)


def found(register, what):
    since = window_start(timezone.localdate())
    return {risk.title for risk in moved_risks(Risk.objects.all(), [register], what, since)}


def score(cast, risk, cell, at=None):
    assess_risk(risk, Kind.RESIDUAL, *cell, by=cast.actor(cast.manager), reason=Text("Looked again"), at=at)


def move(cast, risk, name):
    risk.refresh_from_db()
    move_risk(risk, MOVES_BY_NAME[name], by=cast.actor(cast.manager), reason=Text("Decided"))


def test_window_begins_at_midnight_thirty_days_ago():
    assert window_start(date(2026, 11, 23)) == timezone.make_aware(datetime(2026, 10, 24))


def test_moved_up_and_down_count_the_net_change_of_the_window(cast, register, make_risk, days_ago):
    for title, cells in {
        "up": [(2, 2), (4, 4)],
        "down": [(4, 4), (2, 2)],
        "there and back": [(3, 3), (5, 5), (3, 3)],
        "scored once": [(5, 5)],
    }.items():
        risk = make_risk(title_en=title, at=days_ago(60))
        for index, cell in enumerate(cells):
            score(cast, risk, cell, at=days_ago(20 - index))
    long_ago = make_risk(title_en="long ago", residual=(2, 2), at=days_ago(90))
    score(cast, long_ago, (5, 5), at=days_ago(40))
    assert found(register, Moved.UP) == {"up"}
    assert found(register, Moved.DOWN) == {"down"}


def test_moved_new_are_those_that_began_to_count_in_the_window(cast, register, make_risk, days_ago):
    make_risk(title_en="old", at=days_ago(60))
    make_risk(title_en="fresh")
    make_risk(title_en="draft", state="draft")
    confirmed = make_risk(title_en="confirmed", state="draft", at=days_ago(60))
    move(cast, confirmed, "confirm")
    reopened = make_risk(title_en="reopened", at=days_ago(60), state="closed")
    move(cast, reopened, "reopen")
    assert found(register, Moved.NEW) == {"fresh", "confirmed"}


def test_moved_closed_are_those_that_still_are(cast, register, make_risk, days_ago):
    make_risk(title_en="closed long ago", state="closed", at=days_ago(60))
    make_risk(title_en="closed", state="closed")
    reopened = make_risk(title_en="reopened", state="closed")
    move(cast, reopened, "reopen")
    again = make_risk(title_en="closed again", state="closed")
    move(cast, again, "reopen")
    move(cast, again, "close")
    assert found(register, Moved.CLOSED) == {"closed", "closed again"}


def test_moved_of_an_unknown_kind_is_refused(register):
    with pytest.raises(ValueError, match="sideways"):
        found(register, "sideways")

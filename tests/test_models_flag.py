"""The columns `active` and `pending` are looked up in indexes, on SQLite too."""

from datetime import date

import pytest
from django.db import connection

from risks.models import Mitigation, Risk


@pytest.mark.parametrize(
    ("queryset", "plan"),
    [
        (
            lambda: Risk.objects.filter(team=1).review_due(date(2026, 1, 1)),
            "risks_risk_review (team_id=? AND active=? AND next_review_date<?)",
        ),
        (
            lambda: Mitigation.objects.filter(team=1).late(date(2026, 1, 1)),
            "risks_mitigation_team_late (team_id=? AND pending=? AND due_order<?)",
        ),
    ],
    ids=["active", "pending"],
)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="words of SQLite's planner")
def test_flag_is_found_through_the_index(db, queryset, plan):
    assert plan in queryset().order_by().explain()


def test_flag_tells_the_states_apart(register, make_risk):
    for state in ("draft", "open", "treating", "accepted", "closed"):
        make_risk(state=state)
    risks = Risk.objects.filter(register=register)

    assert set(risks.filter(active=True).values_list("state", flat=True)) == {"open", "treating", "accepted"}
    assert set(risks.filter(active=False).values_list("state", flat=True)) == {"draft", "closed"}

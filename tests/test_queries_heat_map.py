"""Counts by cell, and the first risks of each, today and on a past day."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from risks.enums import Kind
from risks.models import Category, Matrix, User
from risks.models.translated import Text
from risks.queries.as_of import risks_at
from risks.queries.heat_map import (
    Narrowing,
    _by_cell,
    count_cells,
    count_cells_and_losses,
    count_versions,
    first_in_cells,
    load_shown,
)
from risks.queries.matrix import load_matrix
from risks.queries.movement import read_history
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.risk import move_risk
from risks.services.team import create_register

RANGES = {
    "frequency_low": 0.1, "frequency_high": 0.3,
    "impact_low": 0.01, "impact_likely": 0.02, "impact_high": 0.05,
}  # fmt: skip


@pytest.fixture
def other_register(cast):
    values = {"key": "SMALL", "name_en": "Small matrix", "matrix": Matrix.objects.get(key="product-3x3")}
    return create_register(cast.team, values, by=cast.actor(cast.administrator))


def test_count_cells_counts_active_risks_by_cell_and_the_unassessed(register, make_risk):
    make_risk(residual=(4, 3))
    make_risk(residual=(4, 3), state="accepted")
    make_risk(residual=(1, 1))
    make_risk()
    make_risk(residual=(4, 3), state="closed")
    make_risk(residual=(4, 3), state="draft")
    counts = count_cells([register])[register.pk]
    assert counts.cells == Counter({(4, 3): 2, (1, 1): 1})
    assert (counts.unassessed, counts.active) == (1, 4)


def test_count_cells_of_each_kind(register, make_risk):
    make_risk(inherent=(5, 5), residual=(3, 3), target=(2, 2))
    found = [count_cells([register], kind)[register.pk].cells for kind in Kind]
    assert found == [{(5, 5): 1}, {(3, 3): 1}, {(2, 2): 1}]


def test_count_cells_narrowed_by_category_and_owner(cast, register, make_risk):
    technical = Category.objects.get(key="technical", parent=None)
    make_risk(residual=(4, 3), category=technical, owner=cast.owner)
    make_risk(residual=(4, 3), category=technical)
    make_risk(residual=(4, 3), owner=cast.owner)
    narrowings = [
        Narrowing(),
        Narrowing(technical),
        Narrowing(owner=cast.owner),
        Narrowing(technical, cast.owner),
    ]
    counts = [count_cells([register], Kind.RESIDUAL, each)[register.pk].active for each in narrowings]
    assert counts == [3, 2, 2, 1]


def test_count_cells_and_losses_adds_up_expected_losses(register, make_risk):
    risks = [make_risk(residual=(2, 2), **RANGES), make_risk(**RANGES), make_risk()]
    counts = count_cells_and_losses([register])[register.pk]
    assert counts.expected_loss == pytest.approx(sum(risk.expected_loss for risk in risks))
    assert counts.cells == {(2, 2): 1}


def test_levels_follow_the_matrix(register, matrix, make_risk):
    for cell in [(1, 1), (5, 5), (5, 5)]:
        make_risk(residual=cell)
    counts = count_cells([register])[register.pk]
    assert counts.levels(load_matrix(matrix).grid) == {1: 1, 4: 2}


def test_first_in_cells_are_the_costliest_six_then_the_oldest(register, make_risk):
    risks = [make_risk(residual=(3, 3)) for _ in range(8)]
    costly = make_risk(
        residual=(3, 3),
        frequency_low=0.1,
        frequency_high=0.3,
        impact_low=0.01,
        impact_likely=0.02,
        impact_high=0.05,
    )
    lonely = make_risk(residual=(1, 5))
    counts = count_cells([register])
    shown = load_shown(first_in_cells([register], counts, Kind.RESIDUAL), Kind.RESIDUAL)
    by_cell = [risk.code for risk in shown if (risk.probability, risk.impact) == (3, 3)]
    assert by_cell == [risk.code for risk in [costly, *risks[:5]]]
    assert [risk.code for risk in shown if (risk.probability, risk.impact) == (1, 5)] == [lonely.code]


def test_first_in_cells_of_two_matrices_are_apart(register, other_register, make_risk):
    for _ in range(7):
        make_risk(residual=(2, 2))
    small = make_risk(register=other_register, residual=(2, 2))
    registers = [register, other_register]
    ids = first_in_cells(registers, count_cells(registers), Kind.RESIDUAL)
    assert len(ids) == 7
    assert small.pk in ids


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans are read as SQLite writes them")
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("narrowing", [Narrowing(), Narrowing(Category(pk=1), User(pk=2))])
def test_count_cells_reads_the_index_of_the_kind(register, kind, narrowing):
    plan = _by_cell([register], kind, narrowing).annotate(count=Count("*")).explain()
    assert f"risks_risk_{kind}_cell (register_id=? AND active=?)" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("days", [0, 5, 15, 25, 35])
def test_count_versions_agrees_with_scorings_and_moves(cast, register, make_risk, days):
    now, by = timezone.now(), cast.actor(cast.manager)

    def ago(days):
        return now - timedelta(days=days)

    first = make_risk(residual=(2, 2), at=ago(30))
    assess_risk(first, Kind.RESIDUAL, 5, 5, by=by, reason=Text("Worse"), at=ago(10))
    second = make_risk(residual=(3, 3), at=ago(30))
    move_risk(second, MOVES_BY_NAME["close"], by=by, reason=Text("Over"), at=ago(20))
    make_risk(at=ago(30))
    make_risk(residual=(1, 1), state="draft", at=ago(30))
    moment = ago(days)
    standing = read_history(register, moment).at(moment)
    positions = {pk: standing.position(pk) for pk in standing.active}
    versions = risks_at(cast.team.pk, [register.pk], moment)
    found, keys = count_versions(versions, [register], Kind.RESIDUAL, Narrowing())
    counts = found[register.pk]
    assert counts.cells == Counter(position.cell for position in positions.values() if position)
    assert counts.unassessed == list(positions.values()).count(None)
    shown = {
        risk.pk: (risk.probability, risk.impact) for risk in load_shown(keys, "residual", versions.model)
    }
    assert shown == {pk: position.cell for pk, position in positions.items() if position}


def test_count_versions_names_the_costliest_six_of_a_cell_then_the_oldest(cast, register, make_risk):
    risks = [make_risk(residual=(3, 3)) for _ in range(8)]
    costly = make_risk(residual=(3, 3), **RANGES)
    versions = risks_at(cast.team.pk, [register.pk], timezone.now())
    _counts, keys = count_versions(versions, [register], Kind.RESIDUAL, Narrowing())
    shown = load_shown(keys, Kind.RESIDUAL, versions.model)
    assert [risk.code for risk in shown] == [risk.code for risk in [costly, *risks[:5]]]

"""The matrix page: how many risks lie where, which, how they got there, and where they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from risks.enums import Kind
from risks.forms.board import MatrixForm
from risks.htmx import render_page
from risks.queries.heat_map import (
    Narrowing,
    Place,
    RegisterCounts,
    Shown,
    count_cells,
    first_in_cells,
    load_shown,
    look_back,
)
from risks.queries.matrix import load_matrix
from risks.queries.movement import day_end
from risks.queries.risk_list import load_options
from risks.views.access import Scope, team_view
from risks.views.boards import Arrows, Board, ListLinks, build_boards, draw_arrows

ARROWS = 40
"""Risks drawn with an arrow, the worst first."""
PARTIALS = {"matrix-page": "risks/matrix/_page.html"}


@require_GET
@team_view
def matrix(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Counts and codes by cell, today or at the end of a past day."""
    form = MatrixForm(
        request.GET, options=load_options(scope.team), user=scope.user, today=timezone.localdate()
    )
    shown = (
        _read(scope, form) if form.is_valid() else {"kind": "", "day": None, "boards": [], "arrows": False}
    )
    status = 200 if form.is_valid() else 422
    context = {"form": form, "selects": [form["category"], form["owner"]], "kinds": Kind, **shown}
    return render_page(request, "risks/matrix/matrix.html", context, partials=PARTIALS, status=status)


@dataclass(frozen=True)
class Day:
    """What there is to draw of one day."""

    counts: Mapping[int, RegisterCounts]
    risks: list[tuple[Shown, Place]]
    elsewhere: int = 0


def _read(scope: Scope, form: MatrixForm) -> dict[str, object]:
    kind, day, narrowing = form.cleaned_data["kind"], form.cleaned_data["date"], form.narrowing()
    shown = _past(scope, kind, day, narrowing) if day else _present(scope, kind, narrowing)
    links = ListLinks.of(scope, category=form.cleaned_data["category"], owner=form.cleaned_data["owner"])
    boards = build_boards(scope, shown.counts, kind, links, shown.risks, is_past=day is not None)
    arrows = form.cleaned_data["arrows"] and not day
    return {
        "kind": kind,
        "day": day,
        "boards": _with_arrows(scope, boards, narrowing) if arrows else [(board, None) for board in boards],
        "arrows": arrows,
        "arrow_limit": ARROWS,
        "active": sum(counts.active for counts in shown.counts.values()),
        "unassessed": sum(counts.unassessed for counts in shown.counts.values()),
        "unassessed_url": links.url(kind=kind.value, level=0, state="active"),
        "list_url": links.url(state="active"),
        "elsewhere": shown.elsewhere,
    }


def _present(scope: Scope, kind: Kind, narrowing: Narrowing) -> Day:
    counts = count_cells(scope.shown_registers, kind, narrowing)
    risks = load_shown(first_in_cells(scope.shown_registers, counts, kind, narrowing), kind)
    return Day(counts, [(risk, (risk.probability or 0, risk.impact or 0)) for risk in risks])


def _past(scope: Scope, kind: Kind, day: date, narrowing: Narrowing) -> Day:
    grids = {register: load_matrix(register.matrix).grid for register in scope.shown_registers}
    past = look_back(grids, kind, day_end(day), narrowing)
    return Day(
        past.counts, [(risk, past.places[risk.pk]) for risk in load_shown(past.places, kind)], past.elsewhere
    )


Drawn = list[tuple[Board, Arrows | None]]


def _with_arrows(scope: Scope, boards: list[Board], narrowing: Narrowing) -> Drawn:
    moved = scope.risks().filter(active=True, residual_rank__gt=0, inherent_rank__gt=0, **narrowing.ids)
    same = {"inherent_probability": F("residual_probability"), "inherent_impact": F("residual_impact")}
    places = [f"{kind}_{axis}" for kind in ("inherent", "residual") for axis in ("probability", "impact")]
    columns = ("register_id", "code", "title_en", "title_zh", *places)
    risks = list(moved.exclude(**same).worst_first().only(*columns)[:ARROWS])
    return [(board, draw_arrows(scope, board, risks)) for board in boards]

"""The matrix page: how many risks lie where, which, how they got there, and where they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from risks.enums import Kind
from risks.forms.board import MatrixForm
from risks.htmx import render_page
from risks.queries.heat_map import (
    Narrowing,
    RegisterCounts,
    Shown,
    count_cells,
    count_versions,
    first_in_cells,
    load_shown,
)
from risks.queries.risk_list import load_options
from risks.views.access import AS_OF, Scope, dated_view
from risks.views.boards import Arrows, Board, ListLinks, build_boards, draw_arrows

ARROWS = 40
"""Risks drawn with an arrow, the worst first."""
PARTIALS = {"matrix-page": "risks/matrix/_page.html"}


@require_safe
@dated_view
def matrix(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Counts and codes by cell, today or at the end of a past day."""
    if _OLD_NAME in request.GET:
        return _renamed(request)
    form = MatrixForm(request.GET, options=load_options(scope.team), user=scope.user)
    shown = _read(scope, form) if form.is_valid() else {"kind": "", "boards": [], "arrows": False}
    status = 200 if form.is_valid() else 422
    context = {
        "form": form,
        "selects": [form["category"], form["owner"]],
        "kinds": Kind,
        "clear_url": ListLinks.of(scope, reverse("risks:matrix", args=[scope.team.slug])).url(),
        **shown,
    }
    return render_page(request, "risks/matrix/matrix.html", context, partials=PARTIALS, status=status)


_OLD_NAME = "date"


def _renamed(request: HttpRequest) -> HttpResponse:
    """Addresses from before every page had its look back."""
    params = request.GET.copy()
    day = params.pop(_OLD_NAME)[-1]
    if day:
        params[AS_OF] = day
    return redirect(f"{request.path}?{params.urlencode()}" if params else request.path)


@dataclass(frozen=True)
class Day:
    """What there is to draw of one day."""

    counts: Mapping[int, RegisterCounts]
    risks: list[Shown]


def _read(scope: Scope, form: MatrixForm) -> dict[str, object]:
    kind, narrowing = form.cleaned_data["kind"], form.narrowing()
    shown = (_past if scope.as_of else _present)(scope, kind, narrowing)
    chosen = {name: form.cleaned_data[name] for name in ("category", "owner")}
    links = ListLinks.of(scope, **chosen)
    boards = build_boards(scope, shown.counts, kind, links, shown.risks)
    arrows = form.cleaned_data["arrows"]
    return {
        "kind": kind,
        "boards": _with_arrows(scope, boards, narrowing) if arrows else [(board, None) for board in boards],
        "arrows": arrows,
        "arrow_limit": ARROWS,
        "active": sum(counts.active for counts in shown.counts.values()),
        "unassessed": sum(counts.unassessed for counts in shown.counts.values()),
        "unassessed_url": links.url(kind=kind.value, level=0, state="active"),
        "list_url": links.url(state="active"),
    }


def _present(scope: Scope, kind: Kind, narrowing: Narrowing) -> Day:
    counts = count_cells(scope.shown_registers, kind, narrowing)
    return Day(counts, load_shown(first_in_cells(scope.shown_registers, counts, kind, narrowing), kind))


def _past(scope: Scope, kind: Kind, narrowing: Narrowing) -> Day:
    versions: Any = scope.risks()
    counts, first = count_versions(versions, scope.shown_registers, kind, narrowing)
    return Day(counts, load_shown(first, kind, versions.model))


Drawn = list[tuple[Board, Arrows | None]]


def _with_arrows(scope: Scope, boards: list[Board], narrowing: Narrowing) -> Drawn:
    moved = scope.risks().filter(active=True, residual_rank__gt=0, inherent_rank__gt=0, **narrowing.ids)
    same = {"inherent_probability": F("residual_probability"), "inherent_impact": F("residual_impact")}
    places = [f"{kind}_{axis}" for kind in ("inherent", "residual") for axis in ("probability", "impact")]
    columns = ("id", "register_id", "code", "title_en", "title_zh", *places)
    risks = list(moved.exclude(**same).worst_first().only(*columns)[:ARROWS])
    return [(board, draw_arrows(scope, board, risks)) for board in boards]

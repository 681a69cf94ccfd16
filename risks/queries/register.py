"""Figures of a team's registers."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from risks.enums import Level
from risks.models import Risk, Team


@dataclass(frozen=True)
class RegisterFigures:
    counted: int = 0  # active risks
    high: int = 0  # active and high or critical
    unassessed: int = 0
    drafts: int = 0


def register_figures(team: Team) -> dict[int, RegisterFigures]:
    """Counts of each register that has risks, by its id; one query."""
    rows = (
        Risk.objects.filter(team=team)
        .values("register_id")
        .annotate(
            counted=Count("pk", filter=Q(active=True)),
            high=Count("pk", filter=Q(active=True, residual_level__gte=Level.HIGH)),
            unassessed=Count("pk", filter=Q(active=True, residual_rank=0)),
            drafts=Count("pk", filter=Q(state="draft")),
        )
        .order_by("register_id")
    )
    return {
        row["register_id"]: RegisterFigures(row["counted"], row["high"], row["unassessed"], row["drafts"])
        for row in rows
    }

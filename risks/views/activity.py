"""The trail: of a risk on its page, of a register and of the team on a page of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from risks.models import AuditEvent, Risk
from risks.queries.activity import Line, Reader, describe
from risks.views.access import Scope


def describe_risk(
    scope: Scope, risk: Risk, events: Sequence[AuditEvent], known: Mapping[str, Any]
) -> list[Line]:
    """The lines of one risk; `known` is what its page has loaded of people and texts."""
    matrix = scope.matrix_of(risk.register_id)
    reader = Reader(
        matrix_of=lambda _register: matrix,
        team_id=scope.team.pk,
        people=known.get("known_people"),
        texts=known.get("texts", {}),
    )
    return describe(events, reader)

"""Logging a risk with all that comes with it, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from risks.enums import Kind
from risks.models import Indicator, Register, Risk
from risks.models.translated import Text
from risks.rules import Actor
from risks.services.mitigation import add_indicator, add_mitigation
from risks.services.risk import create_risk


@transaction.atomic
def log_risk(
    register: Register,
    values: Mapping[str, Any],
    *,
    by: Actor,
    positions: Mapping[Kind, tuple[int, int]],
    reason: Text,
    mitigations: Sequence[Mapping[str, Any]] = (),
    indicators: Sequence[Mapping[str, Any]] = (),
) -> Risk:
    """Create the risk, its first positions, mitigations and indicators: all of them or nothing.

    Mitigations belong to the risk's owner. Raises NotAllowed, Invalid or ValidationError.
    """
    risk = create_risk(register, values, by=by, positions=positions, reason=reason)
    for mitigation in mitigations:
        values = {"owner": risk.owner, **mitigation}
        # Who is told of the risk need not be told of each mitigation that comes with it.
        add_mitigation(risk, values, by=by, announce=values["owner"] != risk.owner)
    for position, indicator in enumerate(indicators, start=1):
        add_indicator(Indicator(risk=risk, position=position, **indicator), by=by)
    return risk

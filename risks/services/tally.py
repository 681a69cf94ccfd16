"""Keeping the monthly tally of levels true to every assessment and change of state."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import TypeAlias

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from risks.enums import ACTIVE_STATES, Kind
from risks.models import Assessment, LevelTally, Register, StateChange

Deltas: TypeAlias = Counter[tuple[date, int]]
"""Net changes of the number of risks by month (its first day) and level."""


def month_of(moment: datetime) -> date:
    """By the installation's clock, whatever time zone the person who acts lives in."""
    return timezone.localdate(moment, timezone.get_default_timezone()).replace(day=1)


def level_step(at: datetime, before: int | None, after: int | None) -> Deltas:
    """What one risk's step from a level to another adds to the tally; None: it does not count there."""
    step: Deltas = Counter()
    if before is not None:
        step[month_of(at), before] -= 1
    if after is not None:
        step[month_of(at), after] += 1
    return step


def add_to_tally(register_id: int, deltas: Deltas) -> None:
    """Add to the tally of a register, inside the transaction of the act; always in the same order of rows."""
    for (month, level), delta in sorted(deltas.items()):
        if not delta:
            continue
        key = {"register_id": register_id, "month_date": month, "level": level}
        if not LevelTally.objects.filter(**key).update(delta=F("delta") + delta):
            tally, created = LevelTally.objects.get_or_create(**key, defaults={"delta": delta})
            if not created:  # another transaction made it meanwhile
                LevelTally.objects.filter(pk=tally.pk).update(delta=F("delta") + delta)


@transaction.atomic
def rebuild_tally(register: Register) -> None:
    """Compute the tally of a register anew from its history."""
    history = tally_from_history(register)
    LevelTally.objects.filter(register=register).delete()
    LevelTally.objects.bulk_create(
        LevelTally(register=register, month_date=month, level=level, delta=delta)
        for (month, level), delta in history.items()
    )


def tally_from_history(register: Register) -> dict[tuple[date, int], int]:
    """What the tally must say, from assessments and state changes in the order they happened."""
    events: list[tuple[datetime, int, int, str, int]] = [
        (at, 0, risk_id, state, 0)
        for at, risk_id, state in StateChange.objects.filter(register=register)
        .order_by("id")
        .values_list("moved_at", "risk_id", "to_state")
    ]
    events += [
        (at, 1, risk_id, "", level)
        for at, risk_id, level in Assessment.objects.filter(register=register, kind=Kind.RESIDUAL)
        .order_by("id")
        .values_list("assessed_at", "risk_id", "level")
    ]
    states: dict[int, str] = {}
    levels: dict[int, int] = {}
    deltas: Deltas = Counter()
    for at, _order, risk_id, state, level in sorted(events, key=lambda event: event[:2]):
        before = levels.get(risk_id, 0) if states.get(risk_id) in ACTIVE_STATES else None
        if state:
            states[risk_id] = state
        else:
            levels[risk_id] = level
        after = levels.get(risk_id, 0) if states.get(risk_id) in ACTIVE_STATES else None
        deltas.update(level_step(at, before, after))
    return {key: delta for key, delta in deltas.items() if delta}

"""What changed in registers since a moment: which risks are new, closed, or moved up or down, and the acts.

The overview counts with these and the list filters with them, so that a figure equals the list behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from risks.enums import ACTIVE_STATES, Kind, Moved, State
from risks.models import Assessment, Register, StateChange
from risks.models.risk import RiskQuerySet
from risks.queries.as_of import with_net_movement

WINDOW = timedelta(days=30)


def window_start(today: date) -> datetime:
    """The first instant that counts as "in the last 30 days", by the clock that `today` is of."""
    first = today - WINDOW
    return timezone.make_aware(datetime(first.year, first.month, first.day))


def moved_risks(
    risks: RiskQuerySet,
    registers: Sequence[Register],
    what: Moved | str,
    since: datetime,
    until: datetime | None = None,
) -> RiskQuerySet:
    """Those of `risks`, all of `registers`, to which this happened since the moment.

    New: counted for the first time. Closed: and still is. Up or down: by the sum of all scorings since,
    whatever the state; the first scoring of a risk moves nothing. `until`: the moment of which `risks` are
    the versions, if they are not of today.
    """
    what = Moved(what)
    if what in (Moved.UP, Moved.DOWN):
        net = with_net_movement(risks, since) if until else net_movement(registers, since)
        moved = net.filter(net__gt=0) if what == Moved.UP else net.filter(net__lt=0)
        return moved if until else risks.filter(id__in=moved.values("risk"))
    moves = moves_since(registers, since)
    if until:
        moves = moves.filter(moved_at__lt=until)
    if what == Moved.NEW:
        return risks.filter(id__in=entries(moves).values("risk"))
    closings = moves.filter(to_state=State.CLOSED, from_state__in=ACTIVE_STATES)
    return risks.filter(state=State.CLOSED, id__in=closings.values("risk"))


def net_movement(registers: Sequence[Register], since: datetime) -> Any:
    """Rows {risk: id, net: change of its residual rank since the moment}, of risks scored since."""
    return scorings_since(registers, since).values("risk").annotate(net=Sum("delta")).order_by()


def scorings_since(registers: Sequence[Register], since: datetime) -> QuerySet[Assessment]:
    """Scorings that moved a residual position."""
    found = Assessment.objects.filter(
        register__in=[register.pk for register in registers], kind=Kind.RESIDUAL, assessed_at__gte=since
    )
    return found.exclude(delta=0).order_by()


def moves_since(registers: Sequence[Register], since: datetime) -> QuerySet[StateChange]:
    """Changes of state."""
    return StateChange.objects.filter(
        register__in=[register.pk for register in registers], moved_at__gte=since
    ).order_by()


def entries(moves: QuerySet[StateChange]) -> QuerySet[StateChange]:
    """Moves by which a risk began to count; a draft is never entered again, so each risk has at most one."""
    return moves.filter(to_state__in=ACTIVE_STATES, from_state__in=("", State.DRAFT))


def entries_since(registers: Sequence[Register], since: datetime) -> QuerySet[StateChange]:
    return entries(moves_since(registers, since))

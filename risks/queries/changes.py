"""What changed in registers since a moment: which risks are new, closed, or moved up or down, and the acts.

The overview counts with these and the list filters with them, so that a figure equals the list behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db.models import QuerySet, Sum
from django.utils import timezone

from risks.enums import ACTIVE_STATES, Kind, Moved, State
from risks.models import Assessment, Register, StateChange
from risks.models.risk import RiskQuerySet

WINDOW = timedelta(days=30)


def window_start(today: date) -> datetime:
    """The first instant that counts as "in the last 30 days"."""
    first = today - WINDOW
    return timezone.make_aware(datetime(first.year, first.month, first.day))


def moved_risks(
    risks: RiskQuerySet, registers: Sequence[Register], what: Moved | str, since: datetime
) -> RiskQuerySet:
    """Those of `risks`, all of `registers`, to which this happened since the moment.

    New: counted for the first time, and up or down: active, and better or worse by the sum of all scorings
    since; a risk can be both. Closed: and still is.
    """
    what = Moved(what)
    if what == Moved.NEW:
        return risks.filter(pk__in=_entries(registers, since).values("risk"))
    if what == Moved.CLOSED:
        closings = _moves(registers, since).filter(to_state=State.CLOSED)
        return risks.filter(state=State.CLOSED, pk__in=closings.values("risk"))
    net = net_movement(registers, since)
    moved = net.filter(net__gt=0) if what == Moved.UP else net.filter(net__lt=0)
    return risks.filter(active=True, pk__in=moved.values("risk"))


def net_movement(registers: Sequence[Register], since: datetime) -> QuerySet[Assessment, dict[str, int]]:
    """Rows {risk: id, net: change of its residual rank since the moment}, of risks scored since."""
    scorings = Assessment.objects.filter(
        register__in=[register.pk for register in registers], kind=Kind.RESIDUAL, assessed_at__gte=since
    )
    return scorings.values("risk").annotate(net=Sum("delta")).order_by()


def _moves(registers: Sequence[Register], since: datetime) -> QuerySet[StateChange]:
    return StateChange.objects.filter(
        register__in=[register.pk for register in registers], moved_at__gte=since
    ).order_by()


def _entries(registers: Sequence[Register], since: datetime) -> QuerySet[StateChange]:
    """Moves by which a risk began to count; a draft is never entered again, so each risk has at most one."""
    return _moves(registers, since).filter(to_state__in=ACTIVE_STATES, from_state__in=("", State.DRAFT))

"""Reads of mitigations: who has how much to do, and the columns of the board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, Q

from risks.enums import MitigationState
from risks.models import Mitigation, Team, User
from risks.models.mitigation import MitigationQuerySet
from risks.queries.union import read_ids

CARDS = 15
"""Cards of one column; the others are counted."""
DONE_WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Load:
    """What one person, or nobody, has to do."""

    owner: User | None
    pending: int
    late: int


def owners_load(
    mitigations: MitigationQuerySet, team: Team, people: Mapping[int, User], today: date
) -> list[Load]:
    """Pending and late mitigations by owner, the most late first. One query.

    `people` by id; whoever is not among them has left the team and counts as nobody.
    """
    rows = mitigations.filter(team=team, pending=True).order_by().values_list("owner")
    found: dict[User | None, Load] = {}
    late = Count("pk", filter=Q(due_order__lt=today))
    for owner_id, pending, overdue in rows.annotate(pending_count=Count("pk"), late_count=late):
        owner = people.get(owner_id)
        so_far = found.get(owner, Load(owner, 0, 0))
        found[owner] = Load(owner, so_far.pending + pending, so_far.late + overdue)
    return sorted(found.values(), key=lambda load: (-load.late, -load.pending, str(load.owner)))


@dataclass(frozen=True)
class Column:
    """One state of the board: its first cards and how many there are in all."""

    state: MitigationState
    count: int
    cards: Sequence[Mitigation]

    @property
    def more(self) -> int:
        return self.count - len(self.cards)


def read_board(mitigations: MitigationQuerySet, today: date) -> list[Column]:
    """Planned and under way, the earliest due first; done in the last 30 days and dropped, the newest first.

    Two queries.
    """
    pending = mitigations.pending().late_first()
    done = mitigations.filter(state=MitigationState.DONE, done_date__gte=today - DONE_WINDOW)
    columns = {
        MitigationState.PLANNED: pending.filter(state=MitigationState.PLANNED),
        MitigationState.UNDER_WAY: pending.filter(state=MitigationState.UNDER_WAY),
        MitigationState.DONE: done.order_by("-done_date", "-id"),
        MitigationState.DROPPED: mitigations.filter(state=MitigationState.DROPPED).order_by("-id"),
    }
    ids, counts = read_ids(
        {str(state): found.values("pk")[:CARDS] for state, found in columns.items()},
        {str(state): found.order_by().values("pk") for state, found in columns.items()},
    )
    shown = [pk for its_ids in ids.values() for pk in its_ids]
    cards = Mitigation.objects.select_related("owner", "risk").in_bulk(shown) if shown else {}
    return [Column(state, counts[str(state)], [cards[pk] for pk in ids[str(state)]]) for state in columns]

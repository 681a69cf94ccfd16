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

CARDS = 12
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

    `people` by id, also those who have left; whoever is not among them counts as nobody.
    """
    rows = mitigations.filter(team=team, pending=True).order_by().values_list("owner")
    found: dict[User | None, Load] = {}
    # Counts a column of the index `risks_mitigation_owner`: PostgreSQL would read the rows for their keys.
    late = Count("team", filter=Q(due_order__lt=today))
    for owner_id, pending, overdue in rows.annotate(pending_count=Count("team"), late_count=late):
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
    columns = {state: mitigations.filter(state=state) for state in MitigationState}
    columns[MitigationState.DONE] = columns[MitigationState.DONE].filter(done_date__gte=today - DONE_WINDOW)
    first = {
        # Said to be pending, too, because the index in the order of the due dates begins with that.
        MitigationState.PLANNED: columns[MitigationState.PLANNED].pending().late_first(),
        MitigationState.UNDER_WAY: columns[MitigationState.UNDER_WAY].pending().late_first(),
        MitigationState.DONE: columns[MitigationState.DONE].order_by("-done_date", "-id"),
        MitigationState.DROPPED: columns[MitigationState.DROPPED].order_by("-id"),
    }
    ids, counts = read_ids(
        {str(state): found.values("pk")[:CARDS] for state, found in first.items()},
        {str(state): found.order_by().values("pk") for state, found in columns.items()},
    )
    shown = [pk for its_ids in ids.values() for pk in its_ids]
    risk = ("team_id", "register_id", "code", "title_en", "title_zh", "state", "owner_id", "created_by_id")
    rows = Mitigation.objects.select_related("owner", "risk").only(
        "team_id", "kind", "title_en", "title_zh", "trigger_en", "trigger_zh", "state", "due_date",
        "done_date", "version", "owner__name", "owner__email", *(f"risk__{name}" for name in risk),
    )  # fmt: skip
    cards = rows.in_bulk(shown) if shown else {}
    return [Column(state, counts[str(state)], [cards[pk] for pk in ids[str(state)]]) for state in columns]

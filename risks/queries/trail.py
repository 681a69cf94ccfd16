"""Reading the trail of a team or register: a page at a time, at the same cost wherever the page lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from django.db.models import Q, QuerySet
from django.utils import timezone

from risks.models import AuditEvent, Register, Team

SHOWN = 50
CHUNK = 500
SYSTEM = "system"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Lines = QuerySet[AuditEvent]


def lines_of(team: Team, register: Register | None, *, sees_all: bool) -> Lines:
    """Every line of the team that the reader may see, or of one register; the newest first.

    `sees_all` as `rules.can_see_team_activity` says; without it those about registers and what is in them.
    """
    lines = AuditEvent.objects.order_by("-happened_at", "-id")
    if register:
        return lines.filter(register=register, team=team)
    lines = lines.filter(team=team)
    return lines if sees_all else lines.filter(register__isnull=False)


@dataclass(frozen=True)
class Wanted:
    """What the lines are narrowed to: who acted (`system`: nobody), which act, on what, between two days."""

    person: str = ""
    act: str = ""
    type: str = ""
    from_date: date | None = None
    to_date: date | None = None

    def narrow(self, lines: Lines) -> Lines:
        if self.person:
            lines = lines.filter(actor=None if self.person == SYSTEM else int(self.person))
        if self.act:
            lines = lines.filter(verb=self.act)
        if self.type:
            lines = lines.filter(object_type=self.type)
        if self.from_date:
            lines = lines.filter(happened_at__gte=_midnight(self.from_date))
        if self.to_date:
            lines = lines.filter(happened_at__lt=_midnight(self.to_date + timedelta(days=1)))
        return lines


def _midnight(day: date) -> datetime:
    """As the reader's clock shows it."""
    return timezone.make_aware(datetime.combine(day, time.min))


@dataclass(frozen=True)
class Mark:
    """A place between two lines, as it stands in an address: `<microseconds since 1970>-<id>`."""

    at: datetime
    id: int

    @classmethod
    def of(cls, line: AuditEvent) -> Mark:
        return cls(line.happened_at, line.pk)

    @classmethod
    def read(cls, text: str) -> Mark | None:
        """None if the text is no mark."""
        moment, dash, pk = text.partition("-")
        if not (dash and text.isascii() and moment.isdigit() and pk.isdigit() and len(text) < 40):
            return None
        try:
            mark = cls(_EPOCH + int(moment) * _MICROSECOND, int(pk))
        except OverflowError:
            return None
        return mark if mark.id < 2**63 else None

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}-{self.id}"


@dataclass(frozen=True)
class TrailPage:
    """Some lines, the newest first, and the marks that lead to those around them, where there are any."""

    events: list[AuditEvent]
    newer: Mark | None
    older: Mark | None


def read_page(lines: Lines, *, before: Mark | None = None, after: Mark | None = None) -> TrailPage:
    """The newest lines, those older than a mark, or those just newer than one. One query."""
    if after:
        newer = lines.filter(Q(happened_at__gt=after.at) | Q(id__gt=after.id), happened_at__gte=after.at)
        found = list(newer.order_by("happened_at", "id")[: SHOWN + 1])
        events, more = found[:SHOWN][::-1], len(found) > SHOWN
        return TrailPage(events, Mark.of(events[0]) if events and more else None, _last(events))
    if before:
        lines = lines.filter(Q(happened_at__lt=before.at) | Q(id__lt=before.id), happened_at__lte=before.at)
    found = list(lines[: SHOWN + 1])
    events, more = found[:SHOWN], len(found) > SHOWN
    return TrailPage(
        events, Mark.of(events[0]) if events and before else None, _last(events) if more else None
    )


def _last(events: list[AuditEvent]) -> Mark | None:
    return Mark.of(events[-1]) if events else None


def in_chunks(lines: Lines) -> Iterator[list[AuditEvent]]:
    """All the lines, some hundred at a time."""
    rows = lines.iterator(chunk_size=CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk

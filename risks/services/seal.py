"""The chain that seals the trail: each line's digest covers the line and the digest before it.

One chain for each team, and one for the acts on the whole installation. Lines are sealed some time after they
were written, so that writing waits for nothing; their order in the chain is that in which they are sealed.
Whoever keeps a digest elsewhere can tell later that nothing up to it has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from risks.models import AuditEvent, Seal, SealedLine, Team
from risks.services.jobs import task

SETTLED = timedelta(seconds=60)
"""How old a line is when it is sealed: an act's transaction is over by then, save for the very longest."""
LATE = timedelta(hours=2)
"""How much older than the newest sealed line one may be that is not sealed yet: no act takes so long.
Anything older was put there afterwards, and is never sealed."""
BATCH = 2_000


# --- sealing


@task
def seal_trail() -> int:
    """The job of the schedule."""
    return seal_events()


def is_unsealed(at: datetime) -> bool:
    """Whether any line is old enough and in no seal yet."""
    return _unsealed(at - SETTLED).exists()


def seal_events(now: datetime | None = None) -> int:
    """Seal every line that is old enough; return how many. Of two at the same time one does the work."""
    before = (now or timezone.now()) - SETTLED
    sealed = 0
    try:
        while count := _seal_batch(before):
            sealed += count
    except IntegrityError:  # somebody else has just sealed these lines, and goes on
        pass
    return sealed


@transaction.atomic
def _seal_batch(before: datetime) -> int:
    """Append a seal to each chain that has lines among the oldest of those not sealed yet."""
    # In this order nothing older is left behind, even if the work ends half-way.
    found = list(_unsealed(before).order_by("recorded_at", "id")[:BATCH])
    by_team = sorted(found, key=lambda line: (line.team_id or 0, line.recorded_at, line.pk))
    for team_id, its in groupby(by_team, lambda line: line.team_id):
        _append(team_id, list(its))
    return len(found)


def _unsealed(before: datetime) -> models.QuerySet[AuditEvent]:
    in_no_seal = ~Exists(SealedLine.objects.filter(event=OuterRef("pk")))
    lines = AuditEvent.objects.filter(in_no_seal, recorded_at__lte=before)
    newest = _newest_sealed()
    return lines.filter(recorded_at__gte=newest - LATE) if newest else lines


def _newest_sealed() -> datetime | None:
    """When the newest sealed line was recorded; ids may commit out of order, but not by hours."""
    return SealedLine.objects.order_by("-event_id").values_list("event__recorded_at", flat=True).first()


def _append(team_id: int | None, lines: list[AuditEvent]) -> None:
    last = Seal.objects.filter(team=team_id).order_by("-number").first()
    digest = previous = last.digest if last else ""
    digests = []
    for line in lines:
        digest = digest_of(digest, line)
        digests.append(digest)
    seal = Seal.objects.create(
        team_id=team_id, number=last.number + 1 if last else 1, lines=len(lines),
        previous_digest=previous, digest=digest, sealed_at=timezone.now(),
    )  # fmt: skip
    SealedLine.objects.bulk_create(
        SealedLine(event=line, seal=seal, position=position, digest=digest)
        for position, (line, digest) in enumerate(zip(lines, digests, strict=True), 1)
    )


def digest_of(previous: str, line: AuditEvent) -> str:
    """SHA-256, in hexadecimal, over the digest before and the line's canonical form."""
    return hashlib.sha256(previous.encode() + canonical(line)).hexdigest()


def canonical(line: AuditEvent) -> bytes:
    """Every column of the line that has a value, as JSON in UTF-8: keys sorted, no spaces, moments in UTC.

    Without the empty ones, so that a column added later leaves older lines as they were.
    """
    values = {field.attname: getattr(line, field.attname) for field in line._meta.concrete_fields}
    columns = {name: _plain(value) for name, value in values.items() if value is not None}
    return json.dumps(columns, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """The same whichever database the value was read from."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


# --- verifying


@dataclass(frozen=True)
class Break:
    """The first place where a chain does not hold, and what is wrong there."""

    problem: str
    event_id: int | None = None
    happened_at: datetime | None = None
    seal: int | None = None


@dataclass(frozen=True)
class Chain:
    """What verifying a team's chain found. `digest` is that of its newest seal."""

    team: Team | None
    lines: int
    digest: str
    sealed_at: datetime | None
    broken: Break | None
    has_anchor: bool


def verify_chain(team: Team | None, *, anchor: str = "") -> Chain:
    """Compute a chain anew from its lines, in pieces, and compare. `anchor`: a digest that must be in it."""
    check = _Check(anchor)
    broken = check.seals(Seal.objects.filter(team=team).order_by("number").iterator(BATCH))
    if broken is None:
        broken = _first_unsealed(team)
    return Chain(team, check.lines, check.digest, check.sealed_at, broken, check.has_anchor or not anchor)


class _Check:
    def __init__(self, anchor: str) -> None:
        self.anchor, self.has_anchor = anchor, False
        self.number = self.lines = 0
        self.digest = ""
        self.sealed_at: datetime | None = None

    def seals(self, seals: Iterable[Seal]) -> Break | None:
        for seal in seals:
            if seal.number != self.number + 1:
                return Break(_("Seal %(number)d is missing.") % {"number": self.number + 1}, seal=seal.number)
            if seal.previous_digest != self.digest:
                return Break(
                    _("Seal %(number)d does not follow from the one before it.") % {"number": seal.number},
                    seal=seal.number,
                )
            broken = self._lines_of(seal)
            if broken:
                return broken
            self.number, self.sealed_at = seal.number, seal.sealed_at
        return None

    def _lines_of(self, seal: Seal) -> Break | None:
        position = 0
        for sealed, line in _with_events(seal):
            position += 1
            if sealed.position != position:
                return Break(_("A sealed line was taken out of the seal."), None, None, seal.number)
            if line is None:
                return Break(_("The line is missing."), sealed.event_id, None, seal.number)
            digest = digest_of(self.digest, line)
            if digest != sealed.digest:
                return Break(_("The line was changed."), line.pk, line.happened_at, seal.number)
            self.digest = digest
            self.has_anchor |= digest == self.anchor
            self.lines += 1
        if position != seal.lines or self.digest != seal.digest:
            return Break(_("The seal was changed, or lines were taken out of it."), None, None, seal.number)
        return None


def _with_events(seal: Seal) -> Iterator[tuple[SealedLine, AuditEvent | None]]:
    sealed = list(SealedLine.objects.filter(seal=seal).order_by("position"))
    for first in range(0, len(sealed), 500):
        batch = sealed[first : first + 500]
        events = AuditEvent.objects.in_bulk([line.event_id for line in batch])
        yield from ((line, events.get(line.event_id)) for line in batch)


def _first_unsealed(team: Team | None) -> Break | None:
    """Lines newer than the newest seal only wait for the next one."""
    newest = _newest_sealed()
    if newest is None:
        return None
    unsealed = AuditEvent.objects.filter(~Exists(SealedLine.objects.filter(event=OuterRef("pk"))), team=team)
    line = unsealed.filter(recorded_at__lt=newest - LATE).order_by("recorded_at", "id").first()
    if line is None:
        return None
    return Break(_("The line is in no seal though it is old."), line.pk, line.happened_at, None)


def verify_all(*, team: Team | None = None, anchor: str = "") -> Iterator[Chain]:
    """Every chain, or that of one team. The anchor is looked for in each."""
    if team:
        yield verify_chain(team, anchor=anchor)
        return
    yield verify_chain(None, anchor=anchor)
    for each in Team.objects.order_by("slug"):
        yield verify_chain(each, anchor=anchor)


def newest_seal(team: Team | None) -> Seal | None:
    return Seal.objects.filter(team=team).order_by("-number").first()

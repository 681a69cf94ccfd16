"""Telling people: in their inbox, and by mail as each has chosen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from risks.enums import DEFAULT_DELIVERY, Delivery, NoticeKind
from risks.models import AuditEvent, Comment, Notice, Risk, User
from risks.rules import Actor


def notify(
    kind: NoticeKind,
    people: Iterable[User],
    *,
    by: Actor,
    risk: Risk | None = None,
    comment: Comment | None = None,
    event: AuditEvent | None = None,
    details: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> list[Notice]:
    """Tell each of the people once, inside the transaction of the act; never whoever did it.

    `details` holds what the sentence needs beyond risk, comment and actor, as JSON. The caller passes only
    active members of `by.team_id`.
    """
    at = at or timezone.now()
    told = {person.pk: person for person in people if not by.is_(person.pk)}
    notices = [
        Notice(
            user=person, team_id=by.team_id, risk=risk, comment=comment, event=event, actor=by.user,
            kind=kind, details=details or {}, made_at=at, **_mail(person, kind, at),
        )
        for person in told.values()
    ]  # fmt: skip
    return Notice.objects.bulk_create(notices)


def delivery_of(person: User, kind: NoticeKind) -> Delivery:
    """How the person wants this kind by mail."""
    return Delivery(person.delivery.get(kind.value, DEFAULT_DELIVERY[kind]))


def _mail(person: User, kind: NoticeKind, at: datetime) -> dict[str, Any]:
    delivery = delivery_of(person, kind)
    if delivery == Delivery.OFF:
        return {}
    in_digest = delivery == Delivery.DIGEST
    return {"mail_due_at": next_digest(person, at) if in_digest else at, "in_digest": in_digest}


def next_digest(person: User, after: datetime) -> datetime:
    """The next time the person's clock shows the hour they chose."""
    zone = ZoneInfo(person.time_zone or settings.TIME_ZONE)
    local = after.astimezone(zone)
    due = local.replace(hour=person.digest_hour, minute=0, second=0, microsecond=0)
    return due if due > local else due + timedelta(days=1)

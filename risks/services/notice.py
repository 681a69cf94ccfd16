"""Telling people: in their inbox, and by mail as each has chosen (see `delivery` and `mailer`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from risks.enums import Delivery, NoticeKind
from risks.models import AuditEvent, Comment, Notice, Risk, User
from risks.queries.notice import inbox
from risks.rules import Actor
from risks.services.delivery import delivery_of, next_digest
from risks.services.history import BATCH
from risks.services.mailer import mail_due

__all__ = ["build_notices", "delete_old_notices", "delivery_of", "mark_read", "next_digest", "notify", "tell"]

KEEP_READ = timedelta(days=180)


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

    `details` holds what the sentence needs beyond risk, comment and actor, as JSON (`notice_text` says what).
    The caller passes only active members of `by.team_id`.
    """
    return tell(
        build_notices(
            kind, people, by=by, risk=risk, comment=comment, event=event, details=details, at=at
        )
    )  # fmt: skip


def build_notices(
    kind: NoticeKind,
    people: Iterable[User],
    *,
    by: Actor,
    risk: Risk | None = None,
    comment: Comment | None = None,
    event: AuditEvent | None = None,
    details: dict[str, Any] | None = None,
    at: datetime | None = None,
    key: str = "",
) -> list[Notice]:
    """The notices of `notify`, not written yet, for acts that tell of many things at once."""
    assert by.team_id is not None  # noqa: S101 - notices are of a team
    at = at or timezone.now()
    told = {person.pk: person for person in people if not by.is_(person.pk)}
    return [
        Notice(
            user=person, team_id=by.team_id, risk=risk, comment=comment, event=event, actor=by.user,
            kind=kind, details=details or {}, key=key, made_at=at, **_mail(person, kind, at),
        )
        for person in told.values()
    ]  # fmt: skip


def tell(notices: Sequence[Notice]) -> list[Notice]:
    """Write notices and, if one is to be mailed at once, queue that. Keys a person has are left out."""
    once = any(notice.key for notice in notices)
    written = Notice.objects.bulk_create(notices, batch_size=BATCH, ignore_conflicts=once)
    if any(notice.mail_due_at and not notice.in_digest for notice in notices):
        mail_due.enqueue()
    return written


def _mail(person: User, kind: NoticeKind, at: datetime) -> dict[str, Any]:
    delivery = delivery_of(person, kind)
    if delivery == Delivery.OFF or not settings.MAIL_WORKS:
        return {}
    in_digest = delivery == Delivery.DIGEST
    return {"mail_due_at": next_digest(person, at) if in_digest else at, "in_digest": in_digest}


def mark_read(person: User, pk: int | None = None) -> int:
    """Mark one notice in the person's inbox as read, or all; returns how many were unread.

    What is read before its mail goes out is not mailed any more.
    """
    unread = inbox(person).filter(read_at=None)
    return (unread if pk is None else unread.filter(pk=pk)).update(read_at=timezone.now())


def delete_old_notices(at: datetime) -> int:
    """Delete what was read long ago."""
    deleted, _by_model = Notice.objects.filter(
        read_at__lt=at - KEEP_READ, made_at__lt=at - KEEP_READ
    ).delete()
    return deleted

"""Sending what people are to be told by mail: each mail once, also when a worker dies or two run at a time.

Three steps, each its own short transaction. `pack` puts the notices that are due into mails: one at once
alone, those of a digest together. `_claim` holds a few mails for a while; a second worker passes over what is
held, and takes it up when the time is over. Then each mail is marked as attempted, handed to the server, and
marked as sent as soon as the server has taken it.

What no order of steps can rule out: a worker may die after the server has taken a mail and before that is
marked. Of the mails it held, that is one at most. It goes out again, under the same Message-ID, by which mail
servers and readers know it for the same; the alternative would be to lose it. See docs/adr/0006.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any

from django.core.mail import get_connection
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from risks.models import Mail, Notice
from risks.services.history import BATCH as ROWS
from risks.services.jobs import task
from risks.services.mail_text import compose

logger = logging.getLogger("risks.mail")

LEASE = timedelta(minutes=2)
"""How long a worker holds a mail; the server's answer may take `EMAIL_TIMEOUT` for each of several steps."""
HELD = 20
PACKED = 500
RESTS = [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440)]
"""After each failure a longer rest; then the mail is given up."""
UNREACHABLE_REST = timedelta(minutes=1)
GIVE_UP = timedelta(days=3)
"""Nobody wants a mail that old; what it tells of is in the inbox."""


@task
def mail_due() -> int:
    """The job: send what is due now."""
    return send_due()


def is_mail_due(at: datetime) -> bool:
    """Whether there is anything to do for `send_due`; cheap, from two small indexes."""
    return _unpacked(at).exists() or _waiting(at).exists()


def send_due() -> int:
    """Send every mail that is due; returns how many went out. Several may run at the same time."""
    pack(timezone.now())
    sent = 0
    connection = get_connection()
    try:
        while mails := _claim(timezone.now()):
            try:
                connection.open()
            except (OSError, SMTPException) as error:
                _postpone(mails, error)
                break
            sent += sum(_send(mail, connection) for mail in mails)
    finally:
        connection.close()
    return sent


# --- which mails there are


def _unpacked(at: datetime) -> Any:
    return Notice.objects.filter(mail=None, mail_due_at__lte=at)


@transaction.atomic
def pack(at: datetime) -> int:
    """Put notices that are due into mails; returns how many mails that makes.

    Locks the notices: of two workers the second waits, and finds nothing left to pack.
    """
    due = (
        _unpacked(at)
        .select_for_update()
        .order_by("mail_due_at", "pk")
        .only("user", "mail_due_at", "in_digest")
    )
    groups: defaultdict[Any, list[Notice]] = defaultdict(list)
    for notice in due.filter(in_digest=False)[:PACKED]:
        groups[notice.pk].append(notice)
    people = _unpacked(at).filter(in_digest=True).order_by("user").values_list("user", flat=True).distinct()
    for notice in due.filter(in_digest=True, user__in=list(people[:PACKED])):
        groups["digest", notice.user_id].append(notice)
    mails = []
    for notices in groups.values():
        first = notices[0]
        assert first.mail_due_at is not None  # noqa: S101 - the filter says so
        mails.append(Mail(user_id=first.user_id, in_digest=first.in_digest, due_at=first.mail_due_at))
        for notice in notices:
            notice.mail = mails[-1]
    Mail.objects.bulk_create(mails, batch_size=ROWS)
    Notice.objects.bulk_update([n for notices in groups.values() for n in notices], ["mail"], batch_size=ROWS)
    return len(groups)


# --- taking them up


def _waiting(at: datetime) -> Any:
    return Mail.objects.filter(
        Q(held_until=None) | Q(held_until__lte=at), sent_at=None, failed_at=None, due_at__lte=at
    )


@transaction.atomic
def _claim(at: datetime) -> list[Mail]:
    """Hold some mails that nobody holds; PostgreSQL skips what another is holding, SQLite waits."""
    found = _waiting(at).select_for_update(of=("self",), skip_locked=True).order_by("due_at", "pk")
    mails = list(found.select_related("user")[:HELD])
    for mail in mails:
        mail.held_until = at + LEASE
    Mail.objects.filter(pk__in=[mail.pk for mail in mails]).update(held_until=at + LEASE)
    return mails


def _begin(mail: Mail) -> bool:
    """Mark that the mail is about to be handed over, and hold it anew.

    False if it is no longer ours: we were slower than the lease, and somebody else has taken it up.
    """
    now = timezone.now()
    ours = Mail.objects.filter(pk=mail.pk, held_until=mail.held_until, sent_at=None, failed_at=None)
    if not ours.update(attempted_at=now, attempts=F("attempts") + 1, held_until=now + LEASE):
        return False
    mail.attempts += 1
    mail.held_until = now + LEASE
    return True


# --- sending


def _send(mail: Mail, connection: Any) -> bool:
    try:
        message = compose(mail)
    except Exception as error:  # one that cannot be written must not hold up the others
        logger.exception("mail %s cannot be written", mail.pk)
        if _begin(mail):
            _fail(mail, error)
        return False
    if message is None:
        _withdraw(mail)
        return False
    if not _begin(mail):
        return False
    try:
        connection.open()  # does nothing while it is open
        connection.send_messages([message])
    except (OSError, SMTPException) as error:
        logger.warning("mail %s: %s", mail.pk, _reason(error, mail))
        connection.close()  # nobody knows in what state it is
        _fail(mail, error)
        return False
    Mail.objects.filter(pk=mail.pk).update(sent_at=timezone.now(), error="")
    return True


def _withdraw(mail: Mail) -> None:
    """There is nothing to say any more: read already, unsubscribed, or no longer a member."""
    with transaction.atomic():
        Notice.objects.filter(mail=mail).update(mail_due_at=None, mail=None)
        Mail.objects.filter(pk=mail.pk, sent_at=None).delete()


def _fail(mail: Mail, error: Exception) -> None:
    now = timezone.now()
    over = mail.attempts > len(RESTS) or now - mail.due_at > GIVE_UP or _is_final(error)
    fate = {"failed_at": now} if over else {"held_until": now + RESTS[mail.attempts - 1]}
    Mail.objects.filter(pk=mail.pk, sent_at=None).update(error=_reason(error, mail), **fate)


def _postpone(mails: list[Mail], error: Exception) -> None:
    """The server does not answer: that is no attempt, but nor does a mail wait for ever."""
    logger.warning("the mail server cannot be reached: %s", error)
    now = timezone.now()
    ours = Mail.objects.filter(pk__in=[mail.pk for mail in mails], sent_at=None)
    ours.update(error=f"{type(error).__name__}: {error}"[:300], held_until=now + UNREACHABLE_REST)
    ours.filter(due_at__lt=now - GIVE_UP).update(failed_at=now)


def _is_final(error: Exception) -> bool:
    """The server says that this address does not exist, or does not want us."""
    return isinstance(error, SMTPRecipientsRefused) and all(
        code >= 500 for code, _text in error.recipients.values()
    )


def _reason(error: Exception, mail: Mail) -> str:
    """What went wrong, without the address: it may have to be forgotten."""
    return f"{type(error).__name__}: {error}".replace(mail.user.email, "…")[:300]

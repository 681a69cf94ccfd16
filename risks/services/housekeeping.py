"""What has to happen once a day, by schedule or by `manage.py housekeeping`. Doing it twice does no harm."""

from __future__ import annotations

from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from risks.enums import Origin
from risks.models import CacheEntry, Mail, Notice, ScheduledRun
from risks.services.attachment import delete_orphans
from risks.services.jobs import delete_old_jobs, task
from risks.services.notice import delete_old_notices
from risks.services.reminder import remind
from risks.services.risk import expire_acceptances

ORPHANED = timedelta(days=1)
KEEP_MAILS = timedelta(days=30)
KEEP_RUNS = timedelta(days=30)


@task
def keep_house() -> dict[str, int]:
    """The job of the schedule."""
    return tidy_up(timezone.now(), by_way_of=Origin.SCHEDULE)


@task
def remind_of_due() -> int:
    """The job: tell people what is due today."""
    return remind(timezone.localdate())


def tidy_up(at: datetime, *, by_way_of: Origin = Origin.COMMAND) -> dict[str, int]:
    """End acceptances whose day has passed, and delete what nobody needs any more.

    Returns how many of each, in the order in which they are done.
    """
    return {
        "acceptances": expire_acceptances(timezone.localdate(at), by_way_of=by_way_of),
        "files": delete_orphans(at - ORPHANED),
        "notices": delete_old_notices(at),
        "mails": _delete_old_mails(at - KEEP_MAILS),
        "sessions": _delete_old_sessions(at),
        "jobs": delete_old_jobs(at) + ScheduledRun.objects.filter(due_at__lt=at - KEEP_RUNS).delete()[0],
    }


@transaction.atomic
def _delete_old_mails(before: datetime) -> int:
    """Those sent or given up. Their notices stay, and are not mailed again."""
    old = Mail.objects.filter(Q(sent_at__lt=before) | Q(failed_at__lt=before))
    Notice.objects.filter(mail__in=old).update(mail_due_at=None, mail=None)
    return old.delete()[0]


@transaction.atomic
def _delete_old_sessions(at: datetime) -> int:
    """Those that have run out, what allauth has noted of sessions that are gone, and what limits counted."""
    CacheEntry.objects.filter(expires__lt=at).delete()
    deleted, _by_model = Session.objects.filter(expire_date__lt=at).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return deleted

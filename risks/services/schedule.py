"""What runs by the clock: which job, when, and that each time it is due it is handed over once.

`tick` is called by every worker, every second. The row of `ScheduledRun` and the job are written in one
transaction: of two workers one succeeds, and after a crash there are both or neither. If no worker ran for a
while, each schedule makes up for the last time it missed, not for all of them. The hours are those of the
installation's time zone (RISKREG_TIME_ZONE).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter
from django.conf import settings
from django.db import IntegrityError, transaction

from risks.models import ScheduledRun
from risks.services.housekeeping import keep_house, remind_of_due
from risks.services.mailer import is_mail_due, mail_due
from risks.services.seal import is_unsealed, seal_trail


@dataclass(frozen=True)
class Schedule:
    """`cron` says when, in minutes; `wanted` may say that there is nothing to do this time."""

    name: str
    cron: str
    task: Any
    wanted: Callable[[datetime], bool] = lambda at: True

    def last_due(self, at: datetime) -> datetime:
        """The last time it was due, at the moment or before."""
        local = at.astimezone(ZoneInfo(settings.TIME_ZONE))
        due: datetime = croniter(self.cron, local + timedelta(microseconds=1)).get_prev(datetime)
        return due.astimezone(UTC)


SCHEDULES: Sequence[Schedule] = (
    Schedule("housekeeping", "10 0 * * *", keep_house),
    Schedule("reminders", "10 5 * * *", remind_of_due),  # before the hour of most daily mails
    Schedule("mail", "* * * * *", mail_due, is_mail_due),
    Schedule("seals", "*/5 * * * *", seal_trail, is_unsealed),
)


def tick(at: datetime, schedules: Sequence[Schedule] = SCHEDULES) -> list[str]:
    """Hand over what is due and has not been handed over; returns the names."""
    due = [(schedule, schedule.last_due(at)) for schedule in schedules]
    runs = ScheduledRun.objects.filter(due_at__in={due_at for _schedule, due_at in due})
    known = set(runs.values_list("name", "due_at"))
    return [
        schedule.name
        for schedule, due_at in due
        if (schedule.name, due_at) not in known and schedule.wanted(at) and _hand_over(schedule, due_at, at)
    ]


def _hand_over(schedule: Schedule, due_at: datetime, at: datetime) -> bool:
    try:
        with transaction.atomic():
            ScheduledRun.objects.create(name=schedule.name, due_at=due_at, queued_at=at)
            schedule.task.enqueue()
    except IntegrityError:  # another worker was faster
        return False
    return True

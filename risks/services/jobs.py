"""Background jobs: the one place that knows the library, which becomes part of Django with its next LTS.

A service marks its function with `task` and hands it over with `.enqueue(…)` inside the transaction of the
act: the job exists if and only if the act does. `manage.py worker` does the jobs. A worker may die at any
moment, and its job is then done again from the start: every task may be done twice.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_tasks import TaskResultStatus, task
from django_tasks_db.models import DBTaskResult

from risks.models import Worker

__all__ = ["beat", "delete_old_jobs", "depart", "is_job_ready", "take_back_jobs", "task"]

SILENT = timedelta(seconds=60)
"""A worker that gave no sign of life for so long is dead."""
TRIES = 3
"""A job that was being done when so many workers died is not given to another."""
KEEP_DONE, KEEP_FAILED = timedelta(days=7), timedelta(days=60)
DIED = "The worker that did this job died; %s."


def beat(worker_id: str) -> None:
    """Say that this worker lives."""
    now = timezone.now()
    Worker.objects.update_or_create(
        pk=worker_id,
        defaults={"beat_at": now},
        create_defaults={
            "beat_at": now, "started_at": now, "host": socket.gethostname()[:255], "process": os.getpid(),
        },
    )  # fmt: skip


def depart(worker_id: str) -> None:
    """This worker ends. A job that it could not finish is taken back at once, not only after a while."""
    Worker.objects.filter(pk=worker_id).delete()
    take_back_jobs(timezone.now())


def is_job_ready() -> bool:
    """Whether anything waits; asked every second, so it takes no lock."""
    return DBTaskResult.objects.ready().exists()


def take_back_jobs(now: datetime) -> int:
    """Put jobs of dead workers back into the queue, or give them up; returns how many there were.

    Each row is changed only if it still says what was read, so that of two workers one does it.
    """
    alive = set(Worker.objects.filter(beat_at__gt=now - SILENT).values_list("pk", flat=True))
    taken = 0
    for job in DBTaskResult.objects.running().order_by("started_at"):
        worker_id = job.worker_ids[-1] if job.worker_ids else ""
        if worker_id in alive:
            continue
        unchanged = DBTaskResult.objects.filter(
            pk=job.pk, status=TaskResultStatus.RUNNING, started_at=job.started_at
        )
        if len(job.worker_ids) < TRIES:
            taken += unchanged.update(status=TaskResultStatus.READY, started_at=None)
        else:
            taken += unchanged.update(
                status=TaskResultStatus.FAILED,
                finished_at=now,
                exception_class_path="risks.services.jobs.WorkerDied",
                traceback=DIED % f"so did {TRIES - 1} before it, and it is given up",
            )
    Worker.objects.filter(beat_at__lte=now - SILENT).delete()
    return taken


@transaction.atomic
def delete_old_jobs(now: datetime) -> int:
    """Delete what was done days ago; what failed stays for longer."""
    done = Q(status=TaskResultStatus.SUCCESSFUL, finished_at__lt=now - KEEP_DONE)
    failed = Q(status=TaskResultStatus.FAILED, finished_at__lt=now - KEEP_FAILED)
    deleted, _by_model = DBTaskResult.objects.filter(done | failed).delete()
    return deleted

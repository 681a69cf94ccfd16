"""The process beside the web server: it does background jobs and watches the clock."""

from __future__ import annotations

import logging
import secrets
import signal
import sys
import threading
import time
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections, connection
from django.db.utils import DatabaseError
from django.utils import timezone
from django_tasks_db.management.commands.db_worker import Worker as QueueWorker

from risks.services.jobs import beat, depart, is_job_ready, take_back_jobs
from risks.services.schedule import tick

logger = logging.getLogger("risks.worker")

PAUSE = 1.0
"""Seconds between two looks at queue and clock."""
BEAT = 10.0
"""Seconds between two signs of life."""


class Command(BaseCommand):
    help = (
        "Does background jobs (mail among them) and hands over what is due by the clock, until it is stopped."
        " Several may run. SIGTERM ends it after the job that it is doing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="Do what is due now, then end; for cron, every minute."
        )

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        worker = Worker()
        worker.configure_signals()
        worker.work(once=once)


class Worker(QueueWorker):
    """The library's worker, which does one job after the other, with signs of life and a clock.

    It is used in its `batch` mode, in which it returns when the queue is empty.
    """

    def __init__(self) -> None:
        super().__init__(
            queue_names=["*"], interval=0, batch=True, backend_name="default", startup_delay=False,
            max_tasks=None, worker_id=secrets.token_hex(16), excluded_queue_names=[],
        )  # fmt: skip
        self.ended = threading.Event()
        self.watched: datetime | None = None

    def work(self, *, once: bool = False) -> None:
        """Work until told to stop, or, once, until nothing is left to do."""
        beat(self.worker_id)
        life = threading.Thread(target=self._show_life, daemon=True)
        life.start()
        try:
            self._look()
            while self.running and not once:
                time.sleep(PAUSE)
                self._look()
        finally:
            self.ended.set()
            life.join()
            depart(self.worker_id)

    def run_task(self, db_task_result: Any) -> None:
        """Between two jobs of a long queue the clock is looked at too."""
        super().run_task(db_task_result)
        self._watch_clock()

    def shutdown(self, signum: int, frame: Any) -> None:
        """Told to stop: end after the job that is being done; told twice: at once."""
        if not self.running:
            sys.exit(1)
        logger.info("%s: stopping after the job that is being done", signal.Signals(signum).name)
        self.running = False

    def _look(self) -> None:
        try:
            self._watch_clock()
            if is_job_ready():
                self.run()
        except DatabaseError:  # away for a moment, or busy: there is another look in a second
            logger.exception("the database does not answer")
            close_old_connections()

    def _watch_clock(self) -> None:
        now = timezone.now()
        minute = now.replace(second=0, microsecond=0)
        if minute == self.watched:
            return
        take_back_jobs(now)
        for name in tick(now):
            logger.info("due: %s", name)
        self.watched = minute

    def _show_life(self) -> None:
        """In a thread of its own, with a connection of its own: also while a long job is being done."""
        while not self.ended.wait(BEAT):
            try:
                beat(self.worker_id)
            except DatabaseError:
                logger.warning("no sign of life could be given")
                close_old_connections()
        connection.close()

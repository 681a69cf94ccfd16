"""Five hundred notices, a real worker, a real mail server; and the worker is killed again and again.

Every notice arrives. What a mail server has taken twice bears the same Message-ID, and that happens at most
once for each time that a worker was killed.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from django.db import connection
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from risks.enums import NoticeKind
from risks.models import Mail, Worker
from risks.services.mailer import mail_due
from risks.services.notice import build_notices, tell
from tests.smtp_sink import Sink, smtp_sink

ROOT = Path(__file__).resolve().parents[1]
NOTICES = 500
pytestmark = pytest.mark.enable_socket


def database_url() -> str:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, name = f"{settings['USER']}:{settings['PASSWORD']}", settings["NAME"]
    return f"postgresql://{user}@{settings['HOST']}:{settings['PORT']}/{name}"


@contextmanager
def worker(sink: Sink, tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    ours = ("RISKREG_", "DATABASE_", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "DATABASE_URL": database_url(),
        "RISKREG_DATA_DIR": str(tmp_path),
        "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),
        "RISKREG_BASE_URL": "https://risks.example.com",
        "RISKREG_EMAIL_URL": f"smtp://127.0.0.1:{sink.port}",
        "RISKREG_MAIL_FROM": "RiskReg <riskreg@risks.example.com>",
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def let_time_pass() -> None:
    """As if the dead worker's signs of life and its hold on some mails had run out."""
    Worker.objects.all().delete()
    Mail.objects.filter(sent_at=None).update(held_until=timezone.now())
    if not DBTaskResult.objects.filter(status__in=("READY", "RUNNING")).exists():
        mail_due.enqueue()  # as the schedule does every minute, once the job has been given up


def kill_after(sink: Sink, process: subprocess.Popen[bytes], count: int, delay: float | None) -> None:
    """Kill when so many mails have been taken: some time later, or before the server has answered."""
    reached = Event()

    def on_data(taken: int) -> None:
        if taken >= count and not reached.is_set():
            if delay is None:
                process.kill()
                process.wait()
            reached.set()

    sink.on_data = on_data
    assert reached.wait(90), f"{len(sink.accepted)} of {count} mails"
    if delay is not None:
        time.sleep(delay)
        process.kill()
        process.wait()
    sink.on_data = lambda taken: None


def test_each_of_500_notices_arrives_though_the_worker_is_killed(
    own_connections,
    cast,
    make_risk,
    tmp_path,
):
    risk = make_risk()
    people = [cast.owner, cast.reader, cast.contributor, cast.administrator]
    for _turn in range(NOTICES // len(people)):
        tell(build_notices(NoticeKind.MENTION, people, by=cast.actor(cast.manager), risk=risk))
    chance = random.Random(20261123)
    kills, before_answers = 0, 0
    with smtp_sink() as sink:
        for goal in (60, 130, 200, 290, 400):
            delay = None if kills % 2 else chance.uniform(0, 0.05)
            with worker(sink, tmp_path) as process:
                kill_after(sink, process, goal + chance.randrange(20), delay)
            kills, before_answers = kills + 1, before_answers + (delay is None)
            let_time_pass()
        with worker(sink, tmp_path, "--once") as process:
            _out, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        taken = Counter(sink.message_ids)
    assert len(taken) == NOTICES
    assert set(taken) == {f"<{pk}@risks.example.com>" for pk in Mail.objects.values_list("pk", flat=True)}
    again = {message_id: count for message_id, count in taken.items() if count > 1}
    assert set(again.values()) <= {2}
    assert before_answers <= len(again) <= kills
    assert Mail.objects.filter(sent_at=None).count() == 0
    assert {message["To"] for message in sink.accepted} == {person.email for person in people}


def test_worker_told_to_stop_ends_after_its_job_and_takes_its_row_away(
    own_connections,
    cast,
    tmp_path,
):
    with smtp_sink() as sink, worker(sink, tmp_path) as process:
        for _attempt in range(300):
            if Worker.objects.exists():
                break
            time.sleep(0.1)
        assert Worker.objects.get().process == process.pid
        process.terminate()
        assert process.wait(20) == 0
    assert Worker.objects.count() == 0

"""Limits hold with several processes: two real ones, many attempts at the same moment."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[1]
PROCESSES, THREADS, ATTEMPTS = 2, 3, 4  # two dozen in all

TRIES = r"""
import os, sys, threading, time
import django
django.setup()
from django.db import connections
from django.test import Client
from django.test.utils import override_settings

start, threads, attempts = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def attack():
    client = Client(raise_request_exception=False)
    while time.time() < start:
        time.sleep(0.005)
    for number in range(attempts):
        page = client.post("/accounts/login/", {"login": "victim@acme.example", "password": "guess"})
        kind = "limited" if page.status_code in (422, 429) else f"status-{page.status_code}"
        kind = "refused" if "is not right" in page.text else kind
        os.write(1, f"{kind}\n".encode())  # in one piece
    connections.close_all()

with override_settings(
    ALLOWED_HOSTS=["testserver"],
    SECURE_SSL_REDIRECT=False,
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
):
    running = [threading.Thread(target=attack) for _ in range(threads)]
    for thread in running: thread.start()
    for thread in running: thread.join()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A database that both processes see: on SQLite a file, on PostgreSQL a database beside the tests'."""
    ours = ("RISKREG_", "DATABASE_", "DJANGO_")
    values = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    values |= {
        "DJANGO_SETTINGS_MODULE": "riskreg.settings",
        "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),
        "RISKREG_DATA_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    if connection.vendor == "postgresql":
        database = settings.DATABASES["default"]
        user, password = database["USER"], database["PASSWORD"]
        place = f"{database['HOST']}:{database['PORT']}" if database["PORT"] else database["HOST"]
        values["DATABASE_URL"] = f"postgres://{user}:{password}@{place}/{connection.settings_dict['NAME']}"
    else:
        run = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(run, cwd=ROOT, env=values, check=True)
    return values


@pytest.mark.django_db(transaction=True)
def test_attempts_of_two_processes_at_once_are_counted_together(environment: dict[str, str]) -> None:
    """Five guesses in five minutes go through, whoever makes them; allauth's lock holds over processes."""
    start = str(time.time() + 8)
    command = [sys.executable, "-c", TRIES, start, str(THREADS), str(ATTEMPTS)]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _process in range(PROCESSES)
    ]
    outcomes = Counter(line for process in running for line in process.communicate(timeout=120)[0].split())
    assert [process.returncode for process in running] == [0, 0]
    assert sum(outcomes.values()) == PROCESSES * THREADS * ATTEMPTS
    assert outcomes["refused"] == 5
    assert outcomes["limited"] == 19

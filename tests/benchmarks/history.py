"""What history and trail cost: the same acts with them and without, in turns, in one process.

`compare()` fills a database and changes one risk, then 1,000 at once: by the services, with all that belongs
to the act (rules, locks, checks, search index, people who are told), and the rows alone, which is stricter.
Without means that no version and no line is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
RISKS = 1_000
ALLOWED = {"one risk": 2.0, "its row alone": 2.0, "1,000 risks": 3.0, "their rows alone": 3.0}
"""How many times as long an act may take with history and trail."""
TURNS = {"one risk": 200, "its row alone": 300, "1,000 risks": 9, "their rows alone": 9}


@dataclass(frozen=True)
class Cost:
    act: str
    database: str
    with_ms: float
    without_ms: float

    @property
    def ratio(self) -> float:
        return self.with_ms / self.without_ms


def compare(database_url: str = "") -> list[Cost]:
    """Medians of both acts on SQLite, or on the database of the address."""
    with tempfile.TemporaryDirectory(prefix="riskreg-history-") as folder:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "RISKREG_DATA_DIR": folder,
            "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),
        }
        environment.pop("DATABASE_URL", None)
        if database_url:
            environment["DATABASE_URL"] = database_url
        _python(environment, "tests.benchmarks.prepare", str(RISKS))
        return [Cost(**found) for found in json.loads(_python(environment, "tests.benchmarks.history"))]


def _python(environment: dict[str, str], *module: str) -> str:
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


@contextlib.contextmanager
def without_history() -> Iterator[None]:
    """No version of a row and no line of the trail is written."""
    from risks.models import AuditEvent

    def nothing(*args: object, **kwargs: object) -> None:
        """A Mock would keep what it is called with."""

    with (
        patch("risks.services.history.keep_versions", nothing),
        patch.object(AuditEvent, "save", nothing),
        patch.object(type(AuditEvent.objects), "bulk_create", nothing),
    ):
        yield


def measure() -> list[Cost]:
    """Both acts on the database that is there."""
    from datetime import date, timedelta

    from django.db import connection, transaction

    from risks.models import Risk, User
    from risks.rules import Actor
    from risks.services.history import save_tracked, update_tracked
    from risks.services.risk import bulk_update_risks, update_risk
    from tests.benchmarks.pages import SIGN_IN

    by = Actor.of(User.objects.get(email=SIGN_IN).memberships.get())
    ids = list(Risk.objects.filter(team=by.team_id).exclude(state="closed").values_list("pk", flat=True))
    every = list(Risk.objects.filter(team=by.team_id).values_list("pk", flat=True))
    loaded: list[Risk] = []

    def one(turn: int) -> None:
        risk = Risk.objects.select_related("register").get(pk=ids[turn % len(ids)])
        update_risk(risk, {"title_en": f"Renamed in turn {turn}"}, by=by)

    def many(turn: int) -> None:
        day = date(2030, 1, 1) + timedelta(days=turn)
        bulk_update_risks(every, {"next_review_date": day}, by=by)

    def row(turn: int) -> None:
        risk = loaded[turn % len(loaded)]
        risk.title_en = f"Row in turn {turn}"
        with transaction.atomic():
            save_tracked(risk, by=by)

    def rows(turn: int) -> None:
        for risk in loaded:
            risk.next_review_date = date(2031, 1, 1) + timedelta(days=turn)
        update_tracked(loaded, ["next_review_date"], by=by)

    open_closed_risks(every)
    found = []
    for act, do in zip(ALLOWED, (one, row, many, rows), strict=True):
        loaded = list(Risk.objects.filter(pk__in=every))
        taken = _in_turns(do, TURNS[act])
        found.append(Cost(act, connection.display_name, *(round(each * 1000, 3) for each in taken)))
    return found


def open_closed_risks(ids: list[int]) -> None:
    """All of them can be changed."""
    from risks.models import Risk
    from risks.rules import Actor
    from risks.services.history import update_tracked

    closed = list(Risk.objects.filter(pk__in=ids, state="closed"))
    for risk in closed:
        risk.state = "open"
    update_tracked(closed, ["state"], by=Actor.system(None))


def _in_turns(do: Callable[[int], None], turns: int) -> tuple[float, float]:
    """Median seconds with and without, each turn one of both, so that a busy moment hits both alike."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(2 * turns + 4):
        recorded = turn % 2 == 0
        with contextlib.nullcontext() if recorded else without_history():
            began = time.perf_counter()
            do(turn)
            seconds = time.perf_counter() - began
        if turn >= 4:  # the first ones warm up
            taken[recorded].append(seconds)
    return statistics.median(taken[True]), statistics.median(taken[False])


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps([asdict(cost) for cost in measure()]))

"""Acts at the same time: each in its own thread with its own connection, on either database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, connections


@pytest.fixture
def own_connections(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """Ask for it before any other fixture that writes.

    SQLite keeps the tests' database in memory, where connections share one cache and collide at once instead
    of waiting; for the length of a test it is moved to a file, as in real life.
    """
    if connection.vendor != "sqlite":
        yield
        return
    settings, held = connection.settings_dict, connection.connection
    name, settings["NAME"] = settings["NAME"], str(tmp_path / "threads.sqlite3")
    with sqlite3.connect(settings["NAME"]) as file:
        held.backup(file)
    file.close()
    connection.connection = None
    try:
        yield
    finally:
        connection.close()
        settings["NAME"], connection.connection = name, held


def at_once(*acts: Callable[[], Any]) -> list[BaseException | None]:
    """Start all acts together; the error with which each of them ended, or None."""
    gate = Barrier(len(acts))
    ends: list[BaseException | None] = [None] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            gate.wait(10)
            act()
        except BaseException as error:
            ends[number] = error
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return ends

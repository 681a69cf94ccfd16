"""Finds writes that went past the history, and lifts the protection of the trail where a test needs it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.db import connection, models

_WRITE = re.compile(r'\s*(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM|TRUNCATE(?: TABLE)?)\s+"?(\w+)', re.I)


def tracked_models() -> dict[str, type[models.Model]]:
    """The models that keep their history, by table."""
    return {m._meta.db_table: m for m in apps.get_app_config("risks").get_models() if hasattr(m, "history")}


class Writes:
    """An execute wrapper that notes which of the tracked tables were written."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self._tracked = tracked_models()

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        found = _WRITE.match(sql)
        if found and found[1] in self._tracked:
            self.tables.add(found[1])
        return execute(sql, params, many, context)

    def past_history(self) -> list[str]:
        """What in the written tables differs from its newest version, in words."""
        return [
            line for table in sorted(self.tables) for line in differences(self._tracked[table])
        ]  # fmt: skip


def differences(model: Any) -> list[str]:
    """Rows that are not what their newest version says, and versions of rows that are gone without one."""
    history = model.history.model
    names = [field.attname for field in history.tracked_fields]
    key, name = model._meta.pk.attname, model.__name__
    newest = {row[key]: row for row in history.objects.order_by("history_id").values("history_type", *names)}
    found = []
    for row in model._base_manager.values(*names):
        version = newest.pop(row[key], None)
        if version is None or version["history_type"] == "-":
            found.append(f"{name} {row[key]} has no version")
            continue
        wrong = [n for n in names if row[n] != version[n]]
        if wrong:
            found.append(f"{name} {row[key]} differs from its newest version: {', '.join(wrong)}")
    found += [
        f"{name} {pk} is gone without a version"
        for pk, version in newest.items()
        if version["history_type"] != "-"
    ]
    return found


_triggers: Any = import_module("risks.migrations.0011_append_only")


@contextmanager
def without_triggers() -> Iterator[None]:
    """The trail can be changed: to empty the database, and to break the chain on purpose."""
    with connection.cursor() as cursor:
        editor = SimpleNamespace(connection=connection, execute=cursor.execute)
        _triggers.drop_triggers(editor)
        yield
        _triggers.create_triggers(editor)

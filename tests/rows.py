"""Rows written for a test without a service of their own; with their versions, as everywhere."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

from risks.rules import Actor
from risks.services.history import delete_tracked, save_tracked, update_tracked

Row = TypeVar("Row", bound=models.Model)


def create(model: type[Row], **values: Any) -> Row:
    """A row of a model that keeps its history, with its first version."""
    row = model(**values)
    save(row)
    return row


def save(row: models.Model) -> None:
    """Save a row whether or not its model keeps its history."""
    if hasattr(row, "history"):
        save_tracked(row, by=_system(row))
    else:
        row.save()


def change(rows: models.QuerySet[Any], **values: Any) -> None:
    """Write these columns of all the rows, past every rule."""
    found = list(rows)
    for row in found:
        for name, value in values.items():
            setattr(row, name, value)
    update_tracked(found, list(values), by=Actor.system(None))


def remove(rows: models.QuerySet[Any]) -> None:
    for row in rows:
        delete_tracked(row, by=_system(row))


def _system(row: Any) -> Actor:
    return Actor.system(getattr(row, "team_id", None))

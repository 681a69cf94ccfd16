"""Rows written for a test without a service of their own."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

from risks.rules import Actor
from risks.services.history import save_tracked

Row = TypeVar("Row", bound=models.Model)


def create(model: type[Row], **values: Any) -> Row:
    """A row of a model that keeps its history, with its first version."""
    row = model(**values)
    save_tracked(row, by=Actor.system(getattr(row, "team_id", None)))
    return row

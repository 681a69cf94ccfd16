"""Copying what belongs to a record."""

from __future__ import annotations

from django.db import models


def copy_parts(model: type[models.Model], parent: str, original: models.Model, copy: models.Model) -> None:
    """Give `copy` rows of `model` like those that point at `original` by the field `parent`."""
    parts = list(model._default_manager.filter(**{parent: original}))
    for part in parts:
        part.pk, part._state.adding = None, True
        setattr(part, parent, copy)
    model._default_manager.bulk_create(parts)

"""Versions of the rows that people trust: who changed them, when and why; read by `queries.as_of`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from simple_history.models import HistoricalRecords


class History(HistoricalRecords):
    """`history = History()` on a model keeps a copy of each of its versions in a table of its own.

    The copies are written by `services.history`, which names the person; nothing else may write the model.
    """

    def __init__(self, *, indexes: Sequence[models.Index] = (), **options: Any) -> None:
        super().__init__(
            get_user=_nobody, history_change_reason_field=models.TextField(blank=True, default=""), **options
        )
        self.indexes = list(indexes)

    def create_historical_record(self, instance: Any, history_type: str, using: str | None = None) -> None:
        """Refuses a write that did not come through `services.history`, which keeps the version itself."""
        if not hasattr(instance, "_version_is_kept"):
            raise TypeError(
                f"write {type(instance).__name__} through services.history, which keeps who and why"
            )

    def fields_included(self, model: Any) -> list[models.Field[Any, Any]]:
        """Without generated columns, which follow from the others."""
        return [field for field in super().fields_included(model) if not field.generated]

    def copy_fields(self, model: Any) -> dict[str, Any]:
        """The object's id is all that is looked up by; every other index would slow down the writing."""
        fields: dict[str, Any] = super().copy_fields(model)
        for field in fields.values():
            field.db_index = field.name == model._meta.pk.name and not self.indexes
        for field in model._meta.fields:
            if field.generated:
                fields[field.name] = field.clone()
        return fields

    def get_meta_options(self, model: Any) -> dict[str, Any]:
        return {**super().get_meta_options(model), "indexes": self.indexes}


def _nobody(**_context: Any) -> None:
    """The person is always named by the service; never guessed from a request."""

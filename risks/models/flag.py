"""Yes/no columns that an index answers."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.lookups import Exact


class Flag(models.BooleanField):
    """A BooleanField for columns that indexes hold; the database sees no difference.

    Django writes `WHERE active` for a boolean, and SQLite then uses no index; here it writes `= 1`.
    """

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.BooleanField", args, kwargs


@Flag.register_lookup
class FlagExact(Exact):
    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return super(Exact, self).as_sql(compiler, connection)

"""Writing the models that keep their history: the only code that does, so that no version is missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone
from simple_history.utils import get_history_model_for_model

from risks.enums import Verb
from risks.models import Membership
from risks.rules import Actor
from risks.services import parts
from risks.services.audit import Changes, changes_between, record, values_of

BATCH = 200
"""Rows written by one statement."""


def save_tracked(
    row: models.Model,
    *,
    by: Actor,
    reason: str = "",
    at: datetime | None = None,
    fields: Sequence[str] | None = None,
) -> None:
    """Save a new or changed row, and the version it now is. `fields`: only these columns are written."""
    kind = "+" if row._state.adding else "~"
    with transaction.atomic(), _kept(row):
        row.save(update_fields=fields)
        keep_versions(type(row), [row.pk], by=by, reason=reason, at=at, kind=kind)


def delete_tracked(row: models.Model, *, by: Actor, reason: str = "", at: datetime | None = None) -> None:
    """Delete a row; its versions stay, the last of them says by whom it was deleted.

    So do those of the rows that go with it, or that lose it because they pointed at it.
    """
    with transaction.atomic():
        for relation in row._meta.related_objects:
            if hasattr(relation.related_model, "history"):
                _let_go(relation, row, by=by, reason=reason, at=at)
        with _kept(row):
            keep_versions(type(row), [row.pk], by=by, reason=reason, at=at, kind="-")
            row.delete()


def _let_go(relation: Any, row: models.Model, **why: Any) -> None:
    """What the database would do to the rows that point at this one, with a version of each."""
    if relation.on_delete not in (models.CASCADE, models.SET_NULL):
        return
    name = relation.field.name
    pointing = list(relation.related_model._default_manager.filter(**{name: row}))
    if relation.on_delete is models.CASCADE:
        for each in pointing:
            delete_tracked(each, **why)
        return
    for each in pointing:
        setattr(each, name, None)
    update_tracked(pointing, [name], **why)


@contextmanager
def _kept(row: Any) -> Iterator[None]:
    """Tells the model that the version of this write is kept here."""
    row._version_is_kept = True
    try:
        yield
    finally:
        del row._version_is_kept


# --- records of the library and of a team, each with the line that tells of it


@dataclass(frozen=True)
class Content:
    """What a record says: its fields, and the rows that belong to it."""

    fields: dict[str, Any]
    parts: parts.Content

    @classmethod
    def of(cls, row: models.Model) -> Content | None:
        """As it is stored; None if it is not."""
        stored = type(row)._default_manager.filter(pk=row.pk).first() if row.pk else None
        return cls(_fields_of(stored), parts.parts_of(stored)) if stored else None


def _fields_of(row: models.Model) -> dict[str, Any]:
    return values_of(row, [f.name for f in row._meta.fields if f.editable and not f.primary_key])


def save_changed(row: models.Model, before: Content | None, *, by: Actor, reason: str = "") -> None:
    """Save a record that said this before, if its fields say something else now; with a version, if it keeps
    them: a team has only its lines in the trail."""
    if before is not None and before.fields == _fields_of(row):
        return
    if hasattr(row, "history"):
        save_tracked(row, by=by, reason=reason)
    else:
        row.save()


def record_content(row: models.Model, before: Content | None, *, by: Actor, reason: str = "") -> None:
    """Write the line of a record that said this before, or was new, and is saved now with all its parts."""
    changes: Changes = {}
    if before:
        changes = changes_between(before.fields, _fields_of(row))
        changes |= parts.part_changes(row, before.parts, parts.parts_of(row))
        if not changes:
            return
    record(
        Verb.CHANGED if before else Verb.CREATED, row, by=by, changes=changes, reason=reason, **_about(row)
    )


def save_recorded(row: models.Model, *, by: Actor, reason: str = "") -> None:
    """Save a record, and the line that tells of it, field by field; neither if nothing has changed."""
    with transaction.atomic():
        before = Content.of(row)
        save_changed(row, before, by=by, reason=reason)
        record_content(row, before, by=by, reason=reason)


def delete_recorded(row: models.Model, *, by: Actor, reason: str = "") -> None:
    """Delete a row of the library, and write the line that tells of it."""
    with transaction.atomic():
        record(Verb.DELETED, row, by=by, reason=reason, **_about(row))
        delete_tracked(row, by=by, reason=reason)


def _about(row: models.Model) -> dict[str, Any]:
    """A membership is named by whose it is, never by a name."""
    return {"subject": row.user, "label": ""} if isinstance(row, Membership) else {}


# --- many at once


def update_tracked(
    rows: Sequence[models.Model],
    fields: Sequence[str],
    *,
    by: Actor,
    reason: str = "",
    at: datetime | None = None,
) -> None:
    """Write these columns of many rows of one model, and a version of each."""
    if not rows:
        return
    model = type(rows[0])
    with transaction.atomic():
        model._default_manager.bulk_update(rows, fields, batch_size=BATCH)
        keep_versions(model, [row.pk for row in rows], by=by, reason=reason, at=at)


def keep_versions(
    model: type[models.Model],
    ids: Iterable[int],
    *,
    by: Actor,
    reason: str = "",
    at: datetime | None = None,
    kind: str = "~",
) -> None:
    """Copy the rows as they stand into the history, by the database itself: one statement for a batch.

    `kind` is `+` for new rows, `~` for changed ones, `-` for rows about to be deleted.
    """
    history: Any = get_history_model_for_model(model)
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in history.tracked_fields)
    key = quote(history.instance_type._meta.pk.column)
    ids = list(ids)
    moment = connection.ops.adapt_datetimefield_value(at or timezone.now())
    with connection.cursor() as cursor:
        for first in range(0, len(ids), BATCH):
            batch = ids[first : first + BATCH]
            cursor.execute(
                f"INSERT INTO {quote(history._meta.db_table)} ({columns},"  # noqa: S608  # nosec B608 - names only
                " history_date, history_change_reason, history_type, history_user_id)"
                f" SELECT {columns}, %s, %s, %s, %s FROM {quote(model._meta.db_table)}"
                f" WHERE {key} IN ({', '.join(['%s'] * len(batch))}) ORDER BY {key}",
                [moment, reason, kind, by.user.pk if by.user else None, *batch],
            )

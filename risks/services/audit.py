"""Writing audit events, inside the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import override

from risks.enums import Verb
from risks.models import AuditEvent, Register, Risk, User
from risks.rules import Actor

Changes = dict[str, list[Any]]


def values_of(instance: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """The fields as JSON can hold them: records as `AuditEvent` describes, dates as ISO text."""
    return {name: _plain(getattr(instance, name)) for name in names}


def changes_between(before: dict[str, Any], after: dict[str, Any]) -> Changes:
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def build_event(
    verb: Verb,
    obj: models.Model,
    *,
    by: Actor,
    risk: Risk | None = None,
    register: Register | None = None,
    subject: User | None = None,
    label: str | None = None,
    changes: Changes | None = None,
    reason: str = "",
    at: datetime | None = None,
) -> AuditEvent:
    """An event not saved yet, for acts that write many at once.

    `subject` is the person it is done to. `label` names the object where `str` would name a person.
    """
    return AuditEvent(
        undoes_id=by.undoes,
        team_id=by.team_id,
        register_id=risk.register_id if risk else (register.pk if register else None),
        risk=risk,
        actor=by.user,
        subject=subject,
        verb=Verb.UNDONE if by.undoes and verb == Verb.CHANGED else verb,
        origin=by.origin,
        object_type=obj._meta.model_name or "",
        object_id=obj.pk,
        object_label=(str(obj) if label is None else label)[:400],
        changes=changes or {},
        reason=reason,
        happened_at=at or timezone.now(),
    )


def record(verb: Verb, obj: models.Model, **details: Any) -> AuditEvent:
    event = build_event(verb, obj, **details)
    event.save()
    return event


def _plain(value: Any) -> Any:
    if isinstance(value, User):
        return {"user": value.pk}
    if isinstance(value, models.Model):
        return reference_to(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):  # as it was typed or as the database returns it: the same text
        return f"{value.normalize():f}"
    return value


def reference_to(record: models.Model) -> dict[str, Any]:
    """A record as a line keeps it: its id, and its words in both languages, which outlive it."""
    return {record._meta.model_name or "": record.pk, **_both(record)}


def _both(record: models.Model) -> dict[str, str]:
    """The words of a record in both languages, as they are now."""
    words = {}
    for language, suffix in (("en", "en"), ("zh-hans", "zh")):
        with override(language):
            words[suffix] = str(record)
    return words

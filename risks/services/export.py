"""Taking content out of the product is an act like any other: who took what, and when, is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from risks.enums import Verb
from risks.models import AuditEvent, Register
from risks.rules import Actor
from risks.services.audit import record


def record_export(
    source: models.Model,
    name: str,
    *,
    by: Actor,
    asked: Mapping[str, Any] | None = None,
    verb: Verb = Verb.EXPORTED,
) -> AuditEvent:
    """Write down that the file of this name was made of the register, the team or the library.

    `asked` says of what exactly, such as the filters of a list; `verb` DOWNLOADED for a finished report.
    """
    register = source if isinstance(source, Register) else None
    changes = {key: [None, value] for key, value in (asked or {}).items() if value not in (None, "")}
    return record(verb, source, by=by, register=register, label=name, changes=changes)

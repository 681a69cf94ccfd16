"""Taking content out of the product is an act like any other: who took what, and when, is recorded."""

from __future__ import annotations

from risks.enums import Verb
from risks.models import AuditEvent, Register, Team
from risks.rules import Actor
from risks.services.audit import build_event


def record_export(source: Register | Team, label: str, *, by: Actor) -> AuditEvent:
    """Write down that a file was made of the register, or of the whole team; `label` says which file."""
    register = source if isinstance(source, Register) else None
    event = build_event(Verb.EXPORTED, source, by=by, register=register)
    event.object_label = label[:400]
    event.save()
    return event

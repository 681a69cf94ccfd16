"""Taking back the last change of a field, from the line that tells of it.

Works for fields of risks, mitigations, indicators and registers. Scores and states are not taken back but
given anew, by scoring or moving the risk again: what was decided stays a decision of its day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import Verb
from risks.exceptions import Conflict, Invalid
from risks.models import AuditEvent, Indicator, Mitigation, Register, Risk, User
from risks.queries.people import active_members
from risks.rules import Actor
from risks.services.audit import values_of
from risks.services.merge import hold
from risks.services.mitigation import EDITABLE_FIELDS as MITIGATION_FIELDS
from risks.services.mitigation import INDICATOR_FIELDS, update_indicator, update_mitigation
from risks.services.risk import EDITABLE_FIELDS as RISK_FIELDS
from risks.services.risk import update_risk
from risks.services.team import REGISTER_FIELDS, update_register

Objects = Mapping[tuple[str, int], models.Model]


@dataclass(frozen=True)
class Kind:
    """How objects of one type are changed. `check` needs what the rule needs loaded."""

    model: type[models.Model]
    fields: tuple[str, ...]
    check: Callable[[Actor, Any], None]
    update: Callable[..., models.Model]


KINDS: dict[str, Kind] = {
    "risk": Kind(Risk, RISK_FIELDS, rules.check_can_edit_risk, update_risk),
    "mitigation": Kind(
        Mitigation, MITIGATION_FIELDS, rules.check_can_edit_mitigation, update_mitigation
    ),
    "indicator": Kind(
        Indicator, INDICATOR_FIELDS, lambda by, row: rules.check_can_edit_risk(by, row.risk), update_indicator
    ),
    "register": Kind(Register, REGISTER_FIELDS, rules.check_can_edit_register, update_register),
}  # fmt: skip
TOGETHER = (
    {"category", "subcategory"},
    {"frequency_kind", "frequency_low", "frequency_high"},
    {"impact_low", "impact_likely", "impact_high"},
    {"state", "progress"},
    {"amber", "red", "bad_when"},
    {"kind", "trigger_en", "trigger_zh"},
)
"""Fields that were changed together make sense only together, and are taken back together."""


def offers(
    events: Iterable[AuditEvent], objects: Objects, actor: Actor, people: Mapping[int, User]
) -> dict[tuple[int, str], str]:
    """The changes that are still the last of their field, by event and field: why they cannot be undone,
    empty if they can. No query: `objects` are those the events tell of, with what the rules need; `people`
    those of the team whom the events name, with `has_left`.
    """
    found: dict[tuple[int, str], str] = {}
    for event in events:
        kind, row = KINDS.get(event.object_type), objects.get((event.object_type, event.object_id or 0))
        if kind is None or row is None or event.verb not in (Verb.CHANGED, Verb.UNDONE):
            continue
        names = [name for name in event.changes if name in kind.fields and _stands(row, name, event)]
        why = rules.reason_against(kind.check, actor, row) if names else ""
        for name in names:
            found[event.pk, name] = why or _why_not_back(event.changes[name][0], people)
    return found


def _why_not_back(before: Any, people: Mapping[int, User]) -> str:
    """Why a field cannot have its old value again: it was a person who has left."""
    if not isinstance(before, dict) or "user" not in before:
        return ""
    person = people.get(before["user"])
    return _who_has_left() if person is None or person.has_left else ""


def _who_has_left() -> str:
    return _("This person is no longer in the team. Choose somebody else.")


def _stands(row: models.Model, name: str, event: AuditEvent) -> bool:
    """Whether the field still has the value that the event gave it."""
    field: Any = row._meta.get_field(name)
    before, after = event.changes[name]
    if not field.is_relation:
        stored, written = getattr(row, name), after
        if isinstance(stored, Decimal):
            return written is not None and Decimal(str(written)) == stored
        return bool(values_of(row, [name])[name] == written)
    key = field.related_model._meta.model_name
    if not all(value is None or (isinstance(value, dict) and key in value) for value in (before, after)):
        return False  # a line from before people and records were kept by their ids
    return bool(getattr(row, field.attname) == (after[key] if after else None))


def undo_change(event: AuditEvent, name: str, *, by: Actor) -> None:
    """Give the field the value it had before the event, with those that were changed with it.

    Writes a line of its own that refers to the event. Raises Invalid if that cannot be undone, Conflict if
    the field was changed since, and whatever the service that changes the object raises.
    """
    kind = KINDS.get(event.object_type)
    undoable = event.verb in (Verb.CHANGED, Verb.UNDONE) and name in event.changes
    if kind is None or not undoable or name not in kind.fields:
        raise Invalid(_("This cannot be undone here. Scores and states are given anew on the risk's page."))
    row = kind.model._default_manager.filter(pk=event.object_id).first()
    if row is None:
        raise Conflict(_("What this line tells of has been deleted since, so there is nothing to undo."))
    with hold(row) as now:
        together = next((group for group in TOGETHER if name in group), {name})
        names = [each for each in event.changes if each in together and each in kind.fields]
        if not all(_stands(now, each, event) for each in names):
            raise Conflict(_("This has been changed again since. Look at the newer line, then decide."))
        values = {each: _value(now, each, event.changes[each][0]) for each in names}
        kind.update(now, values, by=by.taking_back(event.pk))


def _value(row: models.Model, name: str, kept: Any) -> Any:
    """What the line has kept, as the model holds it."""
    field: Any = row._meta.get_field(name)
    if not field.is_relation:
        try:
            return field.to_python(kept)
        except ValidationError as error:
            raise Invalid(" ".join(error.messages)) from error
    if kept is None:
        return None
    model = field.related_model
    if model is User:
        people = active_members(row.team_id if hasattr(row, "team_id") else row.risk.team_id)  # type: ignore[attr-defined]
        found = people.filter(pk=kept["user"]).first()
        if found is None:
            raise Invalid(_who_has_left())
        return found
    found = model._default_manager.filter(pk=kept[model._meta.model_name]).first()
    if found is None:
        raise Invalid(_("What stood here before has been deleted. Choose something else."))
    return found

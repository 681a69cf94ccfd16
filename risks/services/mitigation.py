"""Attaching mitigations and moving them forward; the indicators of a risk beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import MitigationState, Verb
from risks.exceptions import Conflict
from risks.models import Indicator, Mitigation, Risk
from risks.rules import Actor
from risks.services.attachment import drop_files
from risks.services.audit import changes_between, record, values_of
from risks.services.history import delete_tracked, save_tracked

EDITABLE_FIELDS = (
    "kind", "title_en", "title_zh", "trigger_en", "trigger_zh", "owner", "state", "progress",
    "start_date", "due_date", "cost_amount",
)  # fmt: skip
INDICATOR_FIELDS = ("name_en", "name_zh", "unit_en", "unit_zh", "amber", "red", "bad_when")


@transaction.atomic
def add_mitigation(
    risk: Risk,
    values: Mapping[str, Any],
    *,
    by: Actor,
    at: datetime | None = None,
    done_date: date | None = None,
) -> Mitigation:
    """Attach a mitigation. Raises NotAllowed, or ValidationError with the fields at fault."""
    rules.check_can_add_mitigation(by, risk)
    at = at or timezone.now()
    mitigation = Mitigation(
        team_id=risk.team_id, register_id=risk.register_id, risk=risk, created_at=at, updated_at=at, **values
    )
    _settle(mitigation, done_date or timezone.localdate(at), by, at)
    record(Verb.CREATED, mitigation, by=by, risk=risk, at=at)
    return mitigation


@transaction.atomic
def update_mitigation(
    mitigation: Mitigation, values: Mapping[str, Any], *, by: Actor, seen_version: int | None = None
) -> Mitigation:
    """Change fields of a mitigation; a version other than the one seen raises Conflict."""
    current = (
        Mitigation.objects.select_for_update(of=("self",))
        .select_related("risk", "owner")
        .get(pk=mitigation.pk)
    )
    rules.check_can_edit_mitigation(by, current)
    if seen_version is not None and seen_version != current.version:
        raise Conflict(
            _("Somebody else has changed this mitigation meanwhile. Look at it again, then decide.")
        )
    unknown = set(values) - set(EDITABLE_FIELDS)
    if unknown:
        raise TypeError(f"not editable: {sorted(unknown)}")
    watched = {*values, "progress"}
    before = values_of(current, watched)
    for name, value in values.items():
        setattr(current, name, value)
    current.updated_at = timezone.now()
    current.version += 1
    _settle(current, timezone.localdate(), by, current.updated_at)
    changes = changes_between(before, values_of(current, watched))
    if changes:
        record(Verb.CHANGED, current, by=by, risk=current.risk, changes=changes)
    return current


def _settle(mitigation: Mitigation, today: date, by: Actor, at: datetime) -> None:
    """Make progress and day of completion agree with the state, then save."""
    if mitigation.state == MitigationState.DONE:
        mitigation.progress = 100
        mitigation.done_date = mitigation.done_date or today
    else:
        mitigation.done_date = None
    mitigation.full_clean(exclude=["pending", "due_order"])
    save_tracked(mitigation, by=by, at=at)


@transaction.atomic
def delete_mitigation(mitigation: Mitigation, *, by: Actor) -> None:
    """Remove a mitigation entered by mistake; one that was given up is dropped instead and stays."""
    rules.check_can_edit_mitigation(by, mitigation)
    drop_files(mitigation.attachments.all(), by=by)
    record(Verb.DELETED, mitigation, by=by, risk=mitigation.risk)
    delete_tracked(mitigation, by=by)


@transaction.atomic
def save_indicator(indicator: Indicator, *, by: Actor) -> Indicator:
    """Write a new or changed indicator of `indicator.risk`."""
    rules.check_can_edit_risk(by, indicator.risk)
    new = indicator.pk is None
    before = {} if new else values_of(Indicator.objects.get(pk=indicator.pk), INDICATOR_FIELDS)
    indicator.full_clean()
    indicator.save()
    changes = {} if new else changes_between(before, values_of(indicator, INDICATOR_FIELDS))
    if new or changes:
        record(Verb.CREATED if new else Verb.CHANGED, indicator, by=by, risk=indicator.risk, changes=changes)
    return indicator


@transaction.atomic
def delete_indicator(indicator: Indicator, *, by: Actor) -> None:
    rules.check_can_edit_risk(by, indicator.risk)
    record(Verb.DELETED, indicator, by=by, risk=indicator.risk)
    indicator.delete()

"""Attaching mitigations and moving them forward; the indicators of a risk beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import MitigationState, Verb
from risks.exceptions import Conflict
from risks.models import Indicator, Mitigation, Risk
from risks.rules import Actor
from risks.services.attachment import drop_files
from risks.services.audit import changes_between, record, values_of
from risks.services.follow import tell_of_mitigation
from risks.services.history import delete_tracked, save_tracked
from risks.services.merge import hold

EDITABLE_FIELDS = (
    "kind", "title_en", "title_zh", "trigger_en", "trigger_zh", "owner", "state", "progress",
    "start_date", "due_date", "cost_amount",
)  # fmt: skip
INDICATOR_FIELDS = ("name_en", "name_zh", "unit_en", "unit_zh", "amber", "red", "bad_when")


def add_mitigation(
    risk: Risk,
    values: Mapping[str, Any],
    *,
    by: Actor,
    at: datetime | None = None,
    done_date: date | None = None,
    announce: bool = True,
) -> Mitigation:
    """Attach a mitigation, and tell its owner unless `announce` is off.

    Raises NotAllowed, or ValidationError with the fields at fault.
    """
    with hold(risk) as now:  # not closed while this goes on
        rules.check_can_add_mitigation(by, now)
        at = at or timezone.now()
        mitigation = Mitigation(
            team_id=risk.team_id, register_id=risk.register_id, risk=risk, created_at=at, updated_at=at,
            **values,
        )  # fmt: skip
        _settle(mitigation, done_date or timezone.localdate(at))
        save_tracked(mitigation, by=by, at=at)
        record(Verb.CREATED, mitigation, by=by, risk=risk, at=at)
        if announce:
            tell_of_mitigation(mitigation, by=by, at=at)
    return mitigation


def update_mitigation(
    mitigation: Mitigation, values: Mapping[str, Any], *, by: Actor, seen_version: int | None = None
) -> Mitigation:
    """Change fields of a mitigation; a version other than the one seen raises Conflict."""
    unknown = set(values) - set(EDITABLE_FIELDS)
    if unknown:
        raise TypeError(f"not editable: {sorted(unknown)}")
    with hold(mitigation) as current:
        rules.check_can_edit_mitigation(by, current)
        if seen_version is not None and seen_version != current.version:
            raise Conflict(
                _("Somebody else has changed this mitigation meanwhile. Look at it again, then decide.")
            )
        watched = {*values, "progress"}
        before = values_of(current, watched)
        for name, value in values.items():
            setattr(current, name, value)
        _settle(current, timezone.localdate())
        changes = changes_between(before, values_of(current, watched))
        if changes:
            current.updated_at = timezone.now()
            current.version += 1
            save_tracked(current, by=by, at=current.updated_at)
            record(Verb.CHANGED, current, by=by, risk=current.risk, changes=changes)
            if "owner" in changes:
                tell_of_mitigation(current, by=by, at=current.updated_at)
    return current


def _settle(mitigation: Mitigation, today: date) -> None:
    """Make progress and day of completion agree with the state, and check everything."""
    if mitigation.state == MitigationState.DONE:
        mitigation.progress = 100
        mitigation.done_date = mitigation.done_date or today
    else:
        mitigation.done_date = None
    mitigation.full_clean(exclude=["pending", "due_order"])


def delete_mitigation(mitigation: Mitigation, *, by: Actor) -> None:
    """Remove a mitigation entered by mistake; one that was given up is dropped instead and stays."""
    with hold(mitigation, to_delete=True) as current:
        rules.check_can_edit_mitigation(by, current)
        drop_files(current.attachments.all(), by=by)
        record(Verb.DELETED, current, by=by, risk=current.risk)
        delete_tracked(current, by=by)


def add_indicator(indicator: Indicator, *, by: Actor) -> Indicator:
    """Write a new indicator of `indicator.risk`."""
    with hold(indicator.risk) as risk:
        rules.check_can_edit_risk(by, risk)
        indicator.full_clean()
        indicator.save()
        record(Verb.CREATED, indicator, by=by, risk=risk)
    return indicator


def update_indicator(indicator: Indicator, values: Mapping[str, Any], *, by: Actor) -> Indicator:
    """Change fields of an indicator; `values` holds only those given."""
    unknown = set(values) - set(INDICATOR_FIELDS)
    if unknown:
        raise TypeError(f"not editable: {sorted(unknown)}")
    with hold(indicator) as current:
        rules.check_can_edit_risk(by, current.risk)
        before = values_of(current, values)
        for name, value in values.items():
            setattr(current, name, value)
        current.full_clean()
        changes = changes_between(before, values_of(current, values))
        if changes:
            current.version += 1
            current.save()
            record(Verb.CHANGED, current, by=by, risk=current.risk, changes=changes)
    return current


def delete_indicator(indicator: Indicator, *, by: Actor) -> None:
    with hold(indicator, to_delete=True) as current:
        rules.check_can_edit_risk(by, current.risk)
        record(Verb.DELETED, current, by=by, risk=current.risk)
        current.delete()

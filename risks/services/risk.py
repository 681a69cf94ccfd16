"""Logging, changing, moving and deleting risks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from risks import rules
from risks.enums import MANAGERS, Kind, Origin, State, Strategy, Verb
from risks.exceptions import Conflict, Invalid
from risks.models import Acceptance, AuditEvent, Register, Risk, StateChange, User
from risks.models.search import index_risks, unindex_risk
from risks.models.translated import Text
from risks.quant.ranges import expected_annual_loss
from risks.rules import Actor, Move
from risks.services.assessment import assess_risk
from risks.services.attachment import drop_files
from risks.services.audit import Changes, build_event, changes_between, record, values_of
from risks.services.discussion import remove_links
from risks.services.follow import tell_of_change, tell_of_owner
from risks.services.history import BATCH, delete_tracked, save_tracked, update_tracked
from risks.services.merge import lock
from risks.services.reminder import tell_acceptances_ended
from risks.services.tally import Deltas, add_to_tally, level_step

EDITABLE_FIELDS = (
    "title_en", "title_zh", "cause_en", "cause_zh", "event_en", "event_zh",
    "consequence_en", "consequence_zh", "category", "subcategory", "owner", "strategy", "next_review_date",
    "frequency_kind", "frequency_low", "frequency_high", "impact_low", "impact_likely", "impact_high",
)  # fmt: skip
REVIEW_AFTER = timedelta(days=30)
"""When a new risk is due for its first review, unless somebody says otherwise."""


@transaction.atomic
def create_risk(
    register: Register,
    values: Mapping[str, Any],
    *,
    by: Actor,
    positions: Mapping[Kind, tuple[int, int]] | None = None,
    reason: Text | None = None,
    at: datetime | None = None,
) -> Risk:
    """Log a risk: a draft by a contributor, open at once by a manager, with any positions given.

    Raises NotAllowed, or ValidationError with the fields at fault.
    """
    rules.check_can_propose_risk(by, register)
    at = at or timezone.now()
    number = _take_number(register)
    risk = Risk(
        team_id=register.team_id, register=register, number=number, code=f"{register.key}-{number}",
        state=State.OPEN if by.is_manager else State.DRAFT,
        created_by=by.user, logged_at=at, updated_at=at, **values,
    )  # fmt: skip
    if risk.is_active:
        risk.next_review_date = risk.next_review_date or _first_review(at)
    _save(risk, by, at=at)
    StateChange.objects.create(
        risk=risk, register=register, to_state=risk.state, moved_by=by.user, moved_at=at
    )
    if risk.is_active:
        add_to_tally(register.pk, level_step(at, None, 0))
    event = record(Verb.CREATED, risk, by=by, risk=risk, at=at)
    if risk.owner and not by.is_(risk.owner.pk):
        tell_of_owner([risk], {}, by=by, at=at, event=event)
    for kind, (probability, impact) in (positions or {}).items():
        assess_risk(risk, kind, probability, impact, by=by, reason=reason, at=at)
    risk.refresh_from_db()
    return risk


def _take_number(register: Register) -> int:
    """The next number of the register; the row stays locked until the risk is written."""
    Register.objects.filter(pk=register.pk).update(next_number=F("next_number") + 1)
    return Register.objects.values_list("next_number", flat=True).get(pk=register.pk) - 1


def _save(risk: Risk, by: Actor, *, reason: str = "", at: datetime | None = None) -> None:
    risk.expected_loss = _expected_loss(risk)
    risk.full_clean(exclude=["active"])
    _check_subcategory(risk)
    save_tracked(risk, by=by, reason=reason, at=at)
    index_risks([risk])


def _expected_loss(risk: Risk) -> float:
    if (
        risk.frequency_low is None
        or risk.frequency_high is None
        or not risk.impact_low
        or not risk.impact_high
    ):
        return 0.0
    try:
        return expected_annual_loss(
            risk.frequency_low, risk.frequency_high, risk.impact_low, risk.impact_high
        )
    except ValueError:  # the constraints say so next, with the field's own message
        return 0.0


def _check_subcategory(risk: Risk) -> None:
    if risk.subcategory is not None and risk.subcategory.parent_id != risk.category_id:
        raise Invalid(_("Choose a subcategory of the chosen category."), field="subcategory")


@transaction.atomic
def update_risk(risk: Risk, values: Mapping[str, Any], *, by: Actor, seen_version: int | None = None) -> Risk:
    """Change fields of a risk; `values` holds only those given.

    `seen_version` is the version the person looked at; a newer one raises Conflict and writes nothing.
    """
    current = lock(risk, "register")
    rules.check_can_edit_risk(by, current)
    _check_seen(current, seen_version)
    unknown = set(values) - set(EDITABLE_FIELDS)
    if unknown:
        raise TypeError(f"not editable: {sorted(unknown)}")
    before, owner_id = values_of(current, values), current.owner_id
    for name, value in values.items():
        setattr(current, name, value)
    changes = changes_between(before, values_of(current, values))
    if not changes:
        return current
    current.version += 1
    current.updated_at = timezone.now()
    _save(current, by)
    event = record(Verb.CHANGED, current, by=by, risk=current, changes=changes)
    if "owner" in changes:
        tell_of_owner([current], {current.pk: owner_id}, by=by, at=current.updated_at, event=event)
    return current


def _check_seen(risk: Risk, seen_version: int | None) -> None:
    if seen_version is not None and seen_version != risk.version:
        raise Conflict(_("Somebody else has changed this risk meanwhile. Compare both versions and choose."))


@transaction.atomic
def move_risk(
    risk: Risk,
    move: Move,
    *,
    by: Actor,
    reason: Text | None = None,
    approver: User | None = None,
    until: date | None = None,
    at: datetime | None = None,
    seen_version: int | None = None,
) -> Risk:
    """Make one of the moves of the transition table, with what it demands.

    A version other than the one seen, where one is given, raises Conflict.
    """
    risk = lock(risk)
    _check_seen(risk, seen_version)
    rules.check_can_move_risk(by, risk, move)
    reason, at = reason or Text(), at or timezone.now()
    _check_demands(risk, move, reason, approver, until, timezone.localdate(at))
    approval: Changes = {}
    if move.needs_approval and approver and until:
        approval = {"approver": [None, {"user": approver.pk}], "until_date": [None, until.isoformat()]}
    _enter_state([risk], move.to_state, by, reason, at, approval)
    if move.needs_approval and approver and until:
        acceptance = Acceptance(
            risk=risk, approver=approver, until_date=until, accepted_by=by.user, accepted_at=at,
            **reason.columns("reason"),
        )  # fmt: skip
        acceptance.full_clean()
        acceptance.save()
    return risk


def _check_demands(
    risk: Risk, move: Move, reason: Text, approver: User | None, until: date | None, today: date
) -> None:
    if move.needs_reason and not reason:
        raise Invalid(_("Give a reason; it stays with the risk."), field="reason")
    if not move.needs_approval:
        return
    if approver is None:
        raise Invalid(_("Say who approves the acceptance."), field="approver")
    if not approver.memberships.active().filter(team_id=risk.team_id, role__in=MANAGERS).exists():
        raise Invalid(_("Only a manager or administrator of the team can approve."), field="approver")
    if until is None:
        raise Invalid(_("An acceptance needs an end date; after it the risk is open again."), field="until")
    if until <= today:
        raise Invalid(_("The end date must lie in the future."), field="until")


def _enter_state(
    risks: Sequence[Risk],
    to_state: State,
    by: Actor,
    reason: Text,
    at: datetime,
    approval: Changes | None = None,
) -> None:
    """Write a change of state with all that follows from it; for many risks the same queries as for one.

    The caller has checked and locked them. `approval` is what the lines say beside the state.
    """
    changes: list[StateChange] = []
    events: list[AuditEvent] = []
    deltas: defaultdict[int, Deltas] = defaultdict(Counter)
    for risk in risks:
        from_state, before = risk.state, _counted_level(risk)
        _set_state(risk, to_state, at)
        deltas[risk.register_id].update(level_step(at, before, _counted_level(risk)))
        changes.append(
            StateChange(
                risk=risk, register_id=risk.register_id, from_state=from_state, to_state=to_state,
                moved_by=by.user, moved_at=at, **reason.columns("reason"),
            )
        )  # fmt: skip
        events.append(
            build_event(
                Verb.MOVED, risk, by=by, risk=risk, reason=str(reason), at=at,
                changes={"state": [from_state, to_state], **(approval or {})},
            )
        )  # fmt: skip
    update_tracked(
        risks, ["state", "strategy", "next_review_date", "version", "updated_at"],
        by=by, reason=str(reason), at=at,
    )  # fmt: skip
    StateChange.objects.bulk_create(changes, batch_size=BATCH)
    events = AuditEvent.objects.bulk_create(events, batch_size=BATCH)
    tell_of_change(risks, {"state": to_state}, by=by, at=at, event=events[0] if len(events) == 1 else None)
    if to_state != State.ACCEPTED:
        Acceptance.objects.filter(risk__in=risks, ended_at=None).update(ended_at=at)
    for register_id in sorted(deltas):
        add_to_tally(register_id, deltas[register_id])


def _set_state(risk: Risk, to_state: State, at: datetime) -> None:
    if to_state == State.CLOSED:
        risk.next_review_date = None
    elif to_state == State.ACCEPTED:
        risk.strategy = Strategy.ACCEPT
    elif risk.state in (State.DRAFT, State.CLOSED):
        risk.next_review_date = risk.next_review_date or _first_review(at)
    risk.state = to_state
    risk.version += 1
    risk.updated_at = max(risk.updated_at, at)


def _first_review(at: datetime) -> date:
    return timezone.localdate(at) + REVIEW_AFTER


def _counted_level(risk: Risk) -> int | None:
    """The level under which the tally counts the risk: 0 if unassessed, None if it does not count."""
    return (risk.residual_level or 0) if risk.is_active else None


@transaction.atomic
def delete_risk(risk: Risk, *, by: Actor) -> None:
    """Delete a draft. Its number is not used again."""
    risk = lock(risk, to_delete=True)
    rules.check_can_delete_risk(by, risk)
    record(Verb.DELETED, risk, by=by, register=risk.register)
    unindex_risk(risk.pk)
    drop_files(risk.attachments.all(), by=by)
    remove_links(risk)
    delete_tracked(risk, by=by)


@transaction.atomic
def bulk_update_risks(
    risk_ids: Sequence[int], values: Mapping[str, Any], *, by: Actor, move: Move | None = None,
    reason: Text | None = None, seen: Mapping[int, int] | None = None,
) -> int:  # fmt: skip
    """Change owner, category or next review, or make one move, of many risks; all of them or none.

    Returns how many. Raises Invalid, naming the codes, if the change is not possible for each of them, and
    Conflict if one of them is not in the version `seen`, by id.
    """
    rules.check_can_bulk_edit(by)
    by = by.by_way_of(Origin.BULK) if by.origin == Origin.PERSON else by
    unknown = set(values) - {"owner", "category", "subcategory", "next_review_date"}
    if unknown:
        raise TypeError(f"not for many at once: {sorted(unknown)}")
    risks = list(
        Risk.objects.select_for_update(of=("self",), no_key=True)
        .filter(team=by.team_id, pk__in=risk_ids)
        .select_related("register", "owner", "category", "subcategory")
        .order_by("pk")
    )
    _check_all_there(risks, risk_ids, seen)
    _check_all_can(risks, by, move)
    if values:
        _write_values(risks, values, by)
    if move:
        _check_demands_of_many(move, reason)
        _enter_state(risks, move.to_state, by, reason or Text(), timezone.now())
    return len(risks)


def _check_all_there(risks: Sequence[Risk], ids: Sequence[int], seen: Mapping[int, int] | None) -> None:
    if len(risks) < len(set(ids)):
        raise Invalid(_("Nothing was changed: some of the risks ticked are not in this team, or are gone."))
    codes = [risk.code for risk in risks if seen is not None and seen.get(risk.pk) != risk.version]
    if codes:
        raise Conflict(
            ngettext(
                "Nothing was changed: somebody else has changed %(codes)s meanwhile. Look, then save again.",
                "Nothing was changed: somebody else has changed %(count)d of these risks meanwhile "
                "(%(codes)s). Look, then save again.",
                len(codes),
            )
            % {"codes": _shortened(codes), "count": len(codes)}
        )


def _shortened(codes: Sequence[str]) -> str:
    return ", ".join(codes[:10]) + (" …" if len(codes) > 10 else "")


def _check_demands_of_many(move: Move, reason: Text | None) -> None:
    if move.needs_approval:
        raise Invalid(
            _("Accept risks one by one: each acceptance has its own reason, approver and end date.")
        )
    if move.needs_reason and not reason:
        raise Invalid(_("Give a reason; it stays with the risk."), field="reason")


def _check_all_can(risks: Iterable[Risk], by: Actor, move: Move | None) -> None:
    def refused(risk: Risk) -> bool:
        return not (rules.can_move_risk(by, risk, move) if move else rules.can_edit_risk(by, risk))

    for risk in risks:
        rules.check_is_not_archived(risk.register)
    codes = [risk.code for risk in risks if refused(risk)]
    if codes:
        raise Invalid(
            ngettext(
                "Nothing was changed: %(codes)s is in a state that does not allow it.",
                "Nothing was changed: %(count)d risks are in a state that does not allow it (%(codes)s).",
                len(codes),
            )
            % {"codes": _shortened(codes), "count": len(codes)}
        )


def _write_values(risks: list[Risk], values: Mapping[str, Any], by: Actor) -> None:
    now = timezone.now()
    watched = {*values, "subcategory"} if "category" in values else set(values)
    changed: list[Risk] = []
    owned_before: dict[int, int | None] = {}
    events: list[AuditEvent] = []
    for risk in risks:
        before, owner_id = values_of(risk, watched), risk.owner_id
        for name, value in values.items():
            setattr(risk, name, value)
        if "subcategory" in values:
            _check_subcategory(risk)
        elif risk.subcategory and risk.subcategory.parent_id != risk.category_id:
            risk.subcategory = None  # it belonged to the category before
        changes = changes_between(before, values_of(risk, watched))
        if changes:
            risk.version += 1
            risk.updated_at = now
            changed.append(risk)
            owned_before[risk.pk] = owner_id
            events.append(build_event(Verb.CHANGED, risk, by=by, risk=risk, changes=changes, at=now))
    update_tracked(changed, [*watched, "version", "updated_at"], by=by, at=now)
    events = AuditEvent.objects.bulk_create(events, batch_size=BATCH)
    if "owner" in values:
        event = events[0] if len(events) == 1 else None
        tell_of_owner(
            [risk for risk in changed if risk.owner_id != owned_before[risk.pk]], owned_before,
            by=by, at=now, event=event,
        )  # fmt: skip


@transaction.atomic
def expire_acceptances(on: date, *, by_way_of: Origin = Origin.COMMAND) -> int:
    """Reopen accepted risks whose acceptance ended before the day, and tell their owners.

    They are due for review at once.
    """
    ended = Acceptance.objects.filter(
        ended_at=None, until_date__lt=on, risk__state=State.ACCEPTED, risk__register__archived_at=None
    )
    risks = list(
        Risk.objects.select_for_update(of=("self",), no_key=True)
        .filter(acceptances__in=ended)
        .order_by("team_id", "pk")
    )
    reason = Text("The acceptance has ended.", "风险接受期限已满。")
    for team_id, ended_risks in groupby(risks, attrgetter("team_id")):
        batch = list(ended_risks)
        for risk in batch:
            risk.next_review_date = on
        by = Actor.system(team_id, by_way_of)
        _enter_state(batch, State.OPEN, by, reason, timezone.now())
        tell_acceptances_ended(batch, by=by)
    return len(risks)

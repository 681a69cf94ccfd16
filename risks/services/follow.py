"""Who follows a risk, and telling people of what happens to it: of one act each hears once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from risks import rules
from risks.enums import NoticeKind, Origin
from risks.models import AuditEvent, Follow, Membership, Mitigation, Notice, Risk, User
from risks.queries.discussion import audience
from risks.rules import Actor
from risks.services.notice import build_notices, tell


def follows_by_default(risk: Risk, by: Actor) -> bool:
    """Its owner and the team's managers follow a risk until they choose otherwise."""
    return by.is_manager or by.is_(risk.owner_id)


@transaction.atomic
def set_follow(risk: Risk, wanted: bool, *, by: Actor) -> None:
    """Follow the risk, or not. A choice that is the default is not kept, so that it goes with the role."""
    rules.check_can_follow(by, risk)
    if wanted == follows_by_default(risk, by):
        Follow.objects.filter(risk=risk, user=by.user).delete()
    else:
        Follow.objects.update_or_create(risk=risk, user=by.user, defaults={"wanted": wanted})


def tell_of_change(
    risks: Sequence[Risk],
    details: Mapping[str, Any],
    *,
    by: Actor,
    at: datetime,
    event: AuditEvent | None = None,
) -> None:
    """Tell the followers of the risks. `details` as `notice_text` reads them."""
    if by.origin != Origin.DEMO:
        tell(_of_change(audience(risks), details, by=by, at=at, event=event))


def tell_of_owner(
    risks: Sequence[Risk],
    owned_before: Mapping[int, int | None],
    *,
    by: Actor,
    at: datetime,
    event: AuditEvent | None = None,
) -> None:
    """Tell the new owner of the risks, one for all, and their followers, former owners among them."""
    if by.origin == Origin.DEMO or not risks:
        return
    told = audience(risks, owned_before)
    owner = [(person, list(risks)) for person, _followed in told if person.pk == risks[0].owner_id]
    others = [(person, followed) for person, followed in told if person.pk != risks[0].owner_id]
    tell(
        _notices(NoticeKind.ASSIGNMENT, owner, {}, by=by, at=at, event=event)
        + _of_change(others, {"fields": ["owner"]}, by=by, at=at, event=event)
    )


def tell_of_mitigation(mitigation: Mitigation, *, by: Actor, at: datetime) -> None:
    """Tell its owner, who is new, if that is an active member."""
    owner = mitigation.owner
    if by.origin == Origin.DEMO or owner is None or by.is_(owner.pk):
        return
    if Membership.objects.active().filter(team=mitigation.team_id, user=owner).exists():
        words = {"mitigation": mitigation.pk, "en": mitigation.title_en, "zh": mitigation.title_zh}
        tell(_notices(NoticeKind.ASSIGNMENT, [(owner, [mitigation.risk])], words, by=by, at=at))


Told = Iterable[tuple[User, Sequence[Risk]]]


def _of_change(told: Told, details: Mapping[str, Any], **act: Any) -> list[Notice]:
    return _notices(NoticeKind.CHANGE, told, details, **act)


def _notices(
    kind: NoticeKind,
    told: Told,
    details: Mapping[str, Any],
    *,
    by: Actor,
    at: datetime,
    event: AuditEvent | None = None,
) -> list[Notice]:
    """One notice for each person: of the risk, or of how many there are."""
    notices: list[Notice] = []
    for person, risks in told:
        if len(risks) == 1:
            what: dict[str, Any] = {"risk": risks[0], "event": event, "details": dict(details)}
        else:
            what = {"details": {**details, "risks": len(risks)}}
        if risks:
            notices += build_notices(kind, [person], by=by, at=at, **what)
    return notices

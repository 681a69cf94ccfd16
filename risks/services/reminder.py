"""What the calendar tells people: reviews due, mitigations late, acceptances that end.

Each person hears of each thing and date once: the notice's key says which, so that running this twice a day,
or by two workers at the same time, tells nobody twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from risks.enums import NoticeKind, Origin, State
from risks.models import Acceptance, Membership, Mitigation, Notice, Risk, User
from risks.rules import Actor
from risks.services.history import BATCH
from risks.services.notice import build_notices, tell

LOOK_BACK = timedelta(days=30)
"""A date that nobody was reminded of, because no worker ran, is made up for no longer than this."""
BEFORE_END = (3, 14)
"""Days before the end of an acceptance, the last call first."""


def remind(today: date) -> int:
    """Tell owners what is due; returns how many notices were new."""
    before = Notice.objects.filter(kind=NoticeKind.DUE).count()
    batch: list[Notice] = []
    for notices in (_reviews(today), _mitigations(today), _acceptances(today)):
        for notice in notices:
            batch.append(notice)
            if len(batch) == BATCH:
                tell(batch)
                batch = []
    tell(batch)
    return Notice.objects.filter(kind=NoticeKind.DUE).count() - before


def tell_acceptances_ended(risks: Sequence[Risk], *, by: Actor) -> None:
    """Tell the owners of risks whose acceptance has just ended, and who are active members."""
    owned = Risk.objects.filter(pk__in=[risk.pk for risk in risks]).filter(_is_member("owner"))
    tell(
        [
            notice
            for risk in owned.select_related("owner")
            for notice in build_notices(
                NoticeKind.DUE, _people(risk.owner), by=by, risk=risk, details={"what": "ended"}
            )
        ]
    )


def _reviews(today: date) -> Iterator[Notice]:
    due = _in_use(Risk.objects.active()).filter(_is_member("owner"), next_review_date__range=_window(today))
    for risk in due.select_related("owner").order_by("pk").iterator(BATCH):
        day = risk.next_review_date
        assert day is not None  # noqa: S101 - the filter says so
        yield from _due("review", day, risk, [risk.owner], key=f"review:{risk.pk}:{day}")


def _mitigations(today: date) -> Iterator[Notice]:
    """To the owner of the mitigation; of one that has none, or whose owner has left, to the risk's."""
    late = _in_use(Mitigation.objects.pending(), "risk__register").filter(
        due_order__range=_window(today - timedelta(days=1)), risk__active=True
    )
    rows = late.annotate(owner_is_here=_is_member("owner"), risk_owner_is_here=_is_member("risk__owner"))
    for each in rows.select_related("owner", "risk__owner").order_by("pk").iterator(BATCH):
        if each.owner_is_here:
            person = each.owner
        else:
            person = each.risk.owner if each.risk_owner_is_here else None
        assert each.due_date is not None  # noqa: S101 - the filter says so
        words = {"mitigation": each.pk, "en": each.title_en, "zh": each.title_zh}
        key = f"mitigation:{each.pk}:{each.due_date}"
        yield from _due("mitigation", each.due_date, each.risk, [person], key=key, **words)


def _acceptances(today: date) -> Iterator[Notice]:
    """To the owner of the risk and to whoever approved it, two weeks and three days before the end."""
    ending = Acceptance.objects.filter(
        ended_at=None, until_date__range=(today, today + timedelta(days=max(BEFORE_END)))
    )
    rows = (
        _in_use(ending.filter(risk__state=State.ACCEPTED), "risk__register")
        .annotate(
            owner_is_here=_is_member("risk__owner", "risk__team"),
            approver_is_here=_is_member("approver", "risk__team"),
        )
        .select_related("risk__owner", "approver")
    )
    for each in rows.order_by("pk").iterator(BATCH):
        left = (each.until_date - today).days
        call = next(days for days in BEFORE_END if left <= days)
        people = [
            each.risk.owner if each.owner_is_here else None,
            each.approver if each.approver_is_here else None,
        ]
        key = f"acceptance:{each.pk}:{each.until_date}:{call}"
        yield from _due("acceptance", each.until_date, each.risk, people, key=key)


def _due(
    what: str, day: date, risk: Risk, people: Sequence[User | None], *, key: str, **words: Any
) -> list[Notice]:
    by = Actor.system(risk.team_id, Origin.SCHEDULE)
    details = {"what": what, "date": day.isoformat(), **words}
    return build_notices(NoticeKind.DUE, _people(*people), by=by, risk=risk, details=details, key=key)


def _people(*people: User | None) -> list[User]:
    return [person for person in people if person is not None]


def _window(day: date) -> tuple[date, date]:
    return day - LOOK_BACK, day


def _in_use(rows: QuerySet[Any], register: str = "register") -> QuerySet[Any]:
    """Without what lies in an archived register."""
    return rows.filter(**{f"{register}__archived_at": None})


def _is_member(person: str, team: str = "team") -> Exists:
    """Whether the person is an active member of the row's team, with an account that is switched on."""
    members = Membership.objects.active().filter(user__is_active=True)
    return Exists(members.filter(user=OuterRef(person), team=OuterRef(team)))

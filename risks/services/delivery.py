"""How each person wants to be told: by mail at once, once a day at an hour of theirs, or not by mail."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction

from risks.enums import DEFAULT_DELIVERY, Delivery, NoticeKind
from risks.models import User

_signer = Signer(salt="risks.unsubscribe")


def delivery_of(person: User, kind: NoticeKind) -> Delivery:
    """How the person wants this kind by mail."""
    return Delivery(person.delivery.get(kind.value, DEFAULT_DELIVERY[kind]))


def zone_of(person: User) -> ZoneInfo:
    """The person's time zone, else that of the installation."""
    try:
        return ZoneInfo(person.time_zone or settings.TIME_ZONE)
    except (KeyError, ValueError, OSError):  # one that this machine does not know
        return ZoneInfo(settings.TIME_ZONE)


def next_digest(person: User, after: datetime) -> datetime:
    """The next time the person's clock shows the hour they chose, once each day.

    Where the clock is put forward over that hour, the moment it is put forward; where it is put back and
    shows the hour twice, the first time.
    """
    zone = zone_of(person)
    today = after.astimezone(zone).date()
    hour = time(person.digest_hour)
    days = (datetime.combine(today + timedelta(days=ahead), hour, zone) for ahead in range(3))
    return next(due for due in (day.astimezone(UTC) for day in days) if due > after)


@transaction.atomic
def set_delivery(person: User, kinds: Collection[NoticeKind], delivery: Delivery) -> None:
    """Change how these kinds go out; the others stay as they are."""
    current = User.objects.select_for_update(of=("self",)).get(pk=person.pk)
    current.delivery = current.delivery | {kind.value: delivery.value for kind in kinds}
    current.save(update_fields=["delivery"])


def unsubscribe_token(person: User, kinds: Collection[NoticeKind]) -> str:
    """A secret for the link in a mail: whoever has it may switch these kinds off, and nothing else.

    It does not expire: somebody who clears out old mail must still get rid of the next one.
    """
    return _signer.sign(f"{person.pk}.{'-'.join(sorted(kind.value for kind in kinds))}")


def read_token(token: str) -> tuple[User, list[NoticeKind]] | None:
    """The person and the kinds that a token is for; None if it is not one of ours."""
    try:
        person_id, _dot, names = _signer.unsign(token).partition(".")
        kinds = [NoticeKind(name) for name in names.split("-")]
    except (BadSignature, ValueError):
        return None
    person = User.objects.filter(pk=person_id).first()
    return (person, kinds) if person else None

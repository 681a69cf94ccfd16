"""Two people editing one row: it is held while one of them saves, and three versions of it become one.

What a person *saw* when the form was made, what the row is *now*, and what the person *typed* are compared as
texts, as a form shows them: so nothing counts as changed that was merely read and sent back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from django.db import models, transaction
from django.utils.translation import gettext as _

from risks.exceptions import Conflict
from risks.models import AuditEvent, Indicator, Mitigation, User

Row = TypeVar("Row", bound=models.Model)
Part = tuple[str, ...]
"""Fields that mean something only together, such as a number and its unit, and are taken together."""
EVENTS_READ = 50


@contextmanager
def hold(row: Row, *, to_delete: bool = False) -> Iterator[Row]:
    """The row as it is now; nobody else changes it before the block ends. Conflict if it is gone.

    What belongs to a risk is held with its risk, the risk first: were the order not the same for all, two
    transactions could wait for each other.
    """
    with transaction.atomic():
        risk = lock(row.risk) if isinstance(row, Mitigation | Indicator) else None
        now = lock(row, to_delete=to_delete)
        if isinstance(now, Mitigation | Indicator) and risk:
            now.risk = risk
        yield now


def lock(row: Row, *related: str, to_delete: bool = False) -> Row:
    """The row as it is now, with what it points at by these names, held until the transaction ends.

    Others may still point at it, unless it is held to be deleted: a comment does not wait for an edit.
    """
    rows = type(row)._default_manager.select_for_update(of=("self",), no_key=not to_delete)
    now: Row | None = (rows.select_related(*related) if related else rows).filter(pk=row.pk).first()
    if now is None:
        raise Conflict(_("Somebody else has deleted this meanwhile."))
    return now


def print_of(text: str) -> str:
    """A short mark of a text, to tell whether it is still the same; a browser's line ends do not count."""
    plain = text.replace("\r\n", "\n").strip()
    return blake2b(plain.encode(errors="surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Merged:
    """What becomes of each part: `mine` is to be written; others changed `kept`, and both changed `asked`."""

    mine: frozenset[str]
    kept: tuple[Part, ...]
    asked: tuple[Part, ...]


def merge(
    parts: Iterable[Part],
    *,
    seen: Mapping[str, str],
    now: Mapping[str, str],
    typed: Mapping[str, str],
    theirs: Iterable[str] = (),
) -> Merged:
    """Decide part by part. `seen` holds the prints of what was shown, `now` and `typed` hold texts.

    A field that is not in `typed` was not touched. Of the parts of `theirs` the saved version was chosen.
    Where it is not known what was seen, every difference is asked.
    """
    mine: set[str] = set()
    kept: list[Part] = []
    asked: list[Part] = []
    chosen = set(theirs)
    for part in parts:
        saved = [print_of(now[name]) for name in part]
        wanted = [print_of(typed.get(name, now[name])) for name in part]
        shown = [seen.get(name, "") for name in part]
        touched = any(
            name in typed and after != before for name, after, before in zip(part, wanted, shown, strict=True)
        )
        if wanted == saved:
            continue
        if chosen.intersection(part) or not touched:
            kept.append(part)
        elif saved != shown:
            asked.append(part)
        else:
            mine.update(part)
    return Merged(frozenset(mine), tuple(kept), tuple(asked))


def who_changed(row: models.Model, names: Sequence[str]) -> dict[str, User | None]:
    """Who changed each of these columns last; None for the system. One query."""
    events = AuditEvent.objects.filter(object_type=row._meta.model_name, object_id=row.pk)
    newest = list(events.select_related("actor").order_by("-id")[:EVENTS_READ])
    found: dict[str, User | None] = {}
    for name in names:
        told = next((event for event in newest if name in event.changes), newest[0] if newest else None)
        found[name] = told.actor if told else None
    return found

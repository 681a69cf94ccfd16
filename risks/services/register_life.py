"""The end of a register: archived, then restored, or removed with everything in it."""

from __future__ import annotations

from collections import Counter

from django.core.files.storage import FileSystemStorage
from django.db import transaction
from django.db.models import Count, F
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import Verb
from risks.exceptions import Invalid
from risks.models import Attachment, AuditEvent, Register, Risk, RiskLink, SavedView, Team
from risks.models.attachment import register_folder
from risks.models.search import unindex_register
from risks.queries.attachment import storage
from risks.queries.register_content import PARTS, counts_of
from risks.rules import Actor
from risks.services.attachment import delete_stored
from risks.services.audit import record
from risks.services.history import BATCH, save_tracked
from risks.services.merge import hold

_STATE = ("archived_at", "archived_by", "version")


def archive_register(register: Register, *, by: Actor) -> Register:
    """Take a register out of use: it is read and exported, and nothing in it changes."""
    with hold(register) as current:
        rules.check_can_archive_register(by, current)
        current.archived_at, current.archived_by = timezone.now(), by.user
        current.version += 1
        save_tracked(current, by=by, fields=_STATE)
        record(Verb.ARCHIVED, current, by=by, register=current)
    return current


def restore_register(register: Register, *, by: Actor) -> Register:
    """Put an archived register to use again."""
    with hold(register) as current:
        rules.check_can_restore_register(by, current)
        current.archived_at = current.archived_by = None
        current.version += 1
        save_tracked(current, by=by, fields=_STATE)
        record(Verb.RESTORED, current, by=by, register=current)
    return current


def remove_register(register: Register, *, typed_key: str, by: Actor) -> None:
    """Remove an archived register with everything in it, for good.

    The trail stays whole, and gets a last line with the register's key, names and what was in it. The
    database deletes table by table, so that memory does not grow with the register; the files go after that.
    """
    with hold(register, to_delete=True) as current:
        rules.check_can_remove_register(by, current)
        if typed_key.strip() != current.key:
            raise Invalid(
                _("Type the key %(key)s exactly as it is written here.") % {"key": current.key}, field="key"
            )
        facts = {name: getattr(current, name) for name in ("key", "name_en", "name_zh")} | counts_of(current)
        changes = {name: [value, None] for name, value in facts.items()}
        record(Verb.REMOVED, current, by=by, register=current, changes=changes)
        _forget_links(current)
        _forget_views(current)
        unindex_register(current.pk)
        folder = register_folder(current.team_id, current.pk)
        elsewhere = Attachment.objects.filter(risk__register=current).exclude(file__startswith=f"{folder}/")
        names = list(elsewhere.values_list("file", flat=True))
        for part in PARTS:
            _delete_rows(part.rows(current))
        _delete_rows(Register.objects.filter(pk=current.pk))
        transaction.on_commit(lambda: _delete_files(folder, names))


def check_key_is_new(team: Team, key: str) -> None:
    """Refuse the key of a removed register: codes are never used twice, or the trail would be ambiguous."""
    removed = AuditEvent.objects.filter(team=team, verb=Verb.REMOVED, object_type="register")
    if removed.filter(changes__key__0=key).exists():
        raise Invalid(
            _("The team had a register %(key)s, which was removed. Codes are never used twice: "
              "choose another key.") % {"key": key},
            field="key",
        )  # fmt: skip


def _delete_rows(rows: object) -> None:
    """Delete in the database, without loading rows: the order of PARTS does what cascades would."""
    rows._raw_delete(rows.db)  # type: ignore[attr-defined]


def _forget_links(register: Register) -> None:
    """Risks of other registers count the links with this one's no more."""
    lost: Counter[int] = Counter()
    for here, there in (("source", "target"), ("target", "source")):
        links = RiskLink.objects.filter(**{f"{here}__register": register})
        links = links.exclude(**{f"{there}__register": register}).order_by()
        lost.update(dict(links.values_list(there).annotate(number=Count("pk"))))
    for count in sorted(set(lost.values())):
        ids = [risk_id for risk_id in lost if lost[risk_id] == count]
        for first in range(0, len(ids), BATCH):
            risks = Risk.objects.filter(pk__in=ids[first : first + BATCH])
            risks.update(link_count=F("link_count") - count)


def _forget_views(register: Register) -> None:
    """Saved views of this register alone would lead nowhere."""
    views = SavedView.objects.filter(team_id=register.team_id, query__contains=register.key)
    gone = [view.pk for view in views if QueryDict(view.query).get("register") == register.key]
    SavedView.objects.filter(pk__in=gone).delete()


def _delete_files(folder: str, names: list[str]) -> None:
    """What cannot be deleted now is an orphan, which the daily housekeeping deletes."""
    delete_stored(names)
    try:
        here = storage().listdir(folder)[1]
    except FileNotFoundError:
        return
    delete_stored(f"{folder}/{name}" for name in here)
    if isinstance(storage(), FileSystemStorage):
        delete_stored([folder])

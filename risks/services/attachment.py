"""Files of a risk, a mitigation or a comment: added, read and deleted, each with its line in the trail."""

from __future__ import annotations

import logging
import re
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from risks import rules
from risks.enums import Verb
from risks.exceptions import Gone, Invalid
from risks.models import Attachment, Comment, Mitigation, Risk
from risks.models.attachment import stored_name
from risks.queries.attachment import digest, orphaned_files, storage
from risks.rules import Actor
from risks.services.audit import Changes, build_event, record
from risks.services.file_type import check_type, extension_of

logger = logging.getLogger(__name__)

LONGEST_NAME = 200
"""Bytes of a name as UTF-8: file systems take 255."""


# --- adding


def attach(
    files: Sequence[UploadedFile],
    *,
    risk: Risk,
    by: Actor,
    mitigation: Mitigation | None = None,
    comment: Comment | None = None,
) -> list[Attachment]:
    """Check, store and record the files; all or none. Raises NotAllowed, or Invalid naming the file."""
    with prepare_files(files, risk=risk, by=by) as prepared:
        return add_files(prepared, risk=risk, by=by, mitigation=mitigation, comment=comment)


@contextmanager
def prepare_files(files: Sequence[UploadedFile], *, risk: Risk, by: Actor) -> Iterator[list[Attachment]]:
    """Check and store the files, for an act that adds them with `add_files` in a transaction of its own.

    That transaction has to lie within the block: if the block fails, the files are taken back. Use it
    outside any transaction, because a scanner may take long, and because the line that tells of an infected
    file stays though the act is refused.
    """
    if not files:
        yield []
        return
    rules.check_can_attach(by, risk)
    _check_room(risk, len(files))
    now = timezone.now()
    prepared = [_checked(file, risk, by, now) for file in files]
    written: list[str] = []
    try:
        for attachment, file in zip(prepared, files, strict=True):
            name = stored_name(attachment, "")
            written.append(name)  # first: what is written half is taken back as well
            file.seek(0)
            attachment.file = storage().save(name, file)
        yield prepared
    except BaseException:
        delete_stored(written)
        raise


@transaction.atomic
def add_files(
    prepared: Sequence[Attachment],
    *,
    risk: Risk,
    by: Actor,
    mitigation: Mitigation | None = None,
    comment: Comment | None = None,
) -> list[Attachment]:
    """Keep the files that `prepare_files` has stored."""
    if not prepared:
        return []
    risk = Risk.objects.select_for_update(of=("self",)).select_related("register").get(pk=risk.pk)
    rules.check_can_attach(by, risk)
    _check_room(risk, len(prepared))
    for attachment in prepared:
        attachment.risk, attachment.mitigation, attachment.comment = risk, mitigation, comment
        attachment.save()
        record(Verb.CREATED, attachment, by=by, risk=risk, changes=_facts(attachment), at=attachment.added_at)
    Risk.objects.filter(pk=risk.pk).update(attachment_count=F("attachment_count") + len(prepared))
    return list(prepared)


def _check_room(risk: Risk, more: int) -> None:
    limit = settings.ATTACHMENTS_PER_RISK
    if risk.attachment_count + more > limit:
        raise Invalid(
            ngettext(
                "A risk can have %(limit)d file at most; delete one first.",
                "A risk can have %(limit)d files at most, and has %(count)d; delete some first.",
                limit,
            )
            % {"limit": limit, "count": risk.attachment_count},
            field="files",
        )


def _checked(file: UploadedFile, risk: Risk, by: Actor, at: datetime) -> Attachment:
    """The file as an attachment that is not saved yet. Raises Invalid if it must not be kept."""
    name = clean_name(file.name or "")
    try:
        check_size(name, file.size or 0)
        stream: Any = file
        name, content_type = check_type(stream, name, settings.ATTACHMENT_TYPES)
    except Invalid as error:
        error.field = "files"
        raise
    file.seek(0)
    attachment = Attachment(
        team_id=risk.team_id, risk=risk, name=clean_name(name), content_type=content_type,
        size=file.size or 0,
        sha256=digest(stream), added_by=by.user, added_at=at,
    )  # fmt: skip
    _check_clean(attachment, file, by)
    return attachment


def check_size(name: str, size: int) -> None:
    if size == 0:
        raise Invalid(_("“%(name)s” is empty.") % {"name": name}, field="files")
    if size > settings.ATTACHMENT_MAX_BYTES:
        raise Invalid(too_large(name), field="files")


def too_large(name: str) -> str:
    """The sentence about a file above the limit."""
    limit = filesizeformat(settings.ATTACHMENT_MAX_BYTES)
    return _("“%(name)s” is larger than %(limit)s. It was not added.") % {
        "name": clean_name(name),
        "limit": limit,
    }


def _facts(attachment: Attachment) -> Changes:
    """What the trail keeps of a file, so that it can be told again which one it was."""
    names = ("name", "size", "sha256")
    return {name: [None, getattr(attachment, name)] for name in names}


# --- names

_JOINERS = "\u200c\u200d"  # written inside words and emoji; the other invisible ones only deceive
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.I)


def clean_name(name: str) -> str:
    """The name without folders, invisible characters and what no file system takes; short enough for all."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    name = "".join(_clean_character(each) for each in name)
    name = " ".join(re.sub(r'[<>:"|?*]', "_", name).split()).strip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    extension = extension_of(name)
    stem = name[: len(name) - len(extension)] if extension else name
    room = LONGEST_NAME - len(extension.encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ")
    return (stem + name[len(name) - len(extension) :] if extension else stem) or _("file")


def _clean_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp") or character in "\t\r\n":
        return " "
    return "" if category in ("Cc", "Cf", "Cs", "Co") and character not in _JOINERS else character


# --- scanning


def _check_clean(attachment: Attachment, file: UploadedFile, by: Actor) -> None:
    """Ask the scanner, if there is one. What it cannot judge is refused."""
    if not settings.SCAN_COMMAND:
        return
    code, said = _scan(file)
    if code == 0:
        return
    if code != 1:
        logger.error("The scanner could not check a file (%s): %s", code, said)
        raise Invalid(
            _("“%(name)s” could not be checked for viruses, so it was not added. Try again later.")
            % {"name": attachment.name},
            field="files",
        )
    record(
        Verb.REFUSED, attachment, by=by, risk=attachment.risk, changes=_facts(attachment), reason=said[:200]
    )
    raise Invalid(
        _("“%(name)s” holds a virus and was not added. Delete it, and tell whoever gave it to you.")
        % {"name": attachment.name},
        field="files",
    )


def _scan(file: UploadedFile) -> tuple[int | None, str]:
    """The scanner's exit code and what it printed; no code if it did not start or end."""
    file.seek(0)
    path = getattr(file, "temporary_file_path", None)
    with open(path(), "rb") if path else nullcontext() as stream:
        source: Any = {"stdin": stream} if stream else {"input": file.read()}  # small ones are in memory
        try:
            done = subprocess.run(  # noqa: S603  # nosec B603 - the operator's own command, without a shell
                settings.SCAN_COMMAND,
                capture_output=True,
                check=False,
                timeout=settings.SCAN_SECONDS,
                **source,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


# --- reading


def open_attachment(attachment: Attachment, *, by: Actor) -> IO[bytes]:
    """The content from its beginning, and a line that says who took it.

    Raises Gone if it is not the one that was added: nobody gets a file that somebody has exchanged.
    """
    try:
        content: IO[bytes] = storage().open(str(attachment.file))
    except FileNotFoundError:
        logger.exception("attachment %s is missing", attachment.pk)
        raise Gone(_lost(attachment)) from None
    if digest(content) != attachment.sha256:
        content.close()
        logger.error("attachment %s has been changed", attachment.pk)
        raise Gone(_lost(attachment))
    content.seek(0)
    record(Verb.DOWNLOADED, attachment, by=by, risk=attachment.risk)
    return content


def _lost(attachment: Attachment) -> str:
    return _(
        "The stored file “%(name)s” is missing or damaged. Tell whoever runs this site; "
        "there may be a backup."
    ) % {"name": attachment.name}


# --- deleting


@transaction.atomic
def delete_attachment(attachment: Attachment, *, by: Actor) -> None:
    rules.check_can_delete_attachment(by, attachment)
    drop_files([attachment], by=by)


@transaction.atomic
def drop_files(attachments: Iterable[Attachment], *, by: Actor) -> None:
    """Delete files whose removal, or that of what they belong to, the caller has checked.

    Their content goes when the transaction has succeeded; the trail keeps which files they were.
    """
    ids = [attachment.pk for attachment in attachments]
    if not ids:
        return
    found = list(Attachment.objects.select_for_update(of=("self",)).filter(pk__in=ids).select_related("risk"))
    for attachment in found:
        changes = {name: [value, None] for name, (_none, value) in _facts(attachment).items()}
        build_event(Verb.DELETED, attachment, by=by, risk=attachment.risk, changes=changes).save()
    Attachment.objects.filter(pk__in=[attachment.pk for attachment in found]).delete()
    for risk_id, count in Counter(attachment.risk_id for attachment in found).items():
        Risk.objects.filter(pk=risk_id).update(attachment_count=F("attachment_count") - count)
    names = [str(attachment.file) for attachment in found]
    transaction.on_commit(lambda: delete_stored(names))


def delete_stored(names: Iterable[str]) -> None:
    """What cannot be deleted now is an orphan, which the daily housekeeping deletes."""
    for name in names:
        try:
            storage().delete(name)
        except Exception:
            logger.exception("stored file %s could not be deleted", name)


def delete_orphans(before: datetime) -> int:
    """Delete stored files written before the moment that belong to nothing. Returns how many."""
    names = list(orphaned_files(before))
    delete_stored(names)
    return len(names)

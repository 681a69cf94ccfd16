"""Which files there are, and which of them are not as they should be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import IO, Any

from django.core.files.storage import Storage
from django.db.models import QuerySet

from risks.models import Attachment, Risk
from risks.models.attachment import FOLDER

CHUNK = 1 << 16


def read_attachments(risk: Risk) -> list[Attachment]:
    """All files of a risk, its mitigations and its comments, oldest first. One query; none if it has none."""
    if not risk.attachment_count:
        return []
    rows = Attachment.objects.filter(risk=risk).select_related("added_by")
    found = list(rows.order_by("added_at", "id"))
    for attachment in found:
        attachment.risk = risk
    return found


def digest(content: IO[bytes]) -> str:
    """SHA-256 of what is left to read, in hexadecimal."""
    found = sha256()
    while chunk := content.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


def storage() -> Storage:
    field: Any = Attachment._meta.get_field("file")
    found: Storage = field.storage
    return found


def broken_attachments(attachments: QuerySet[Attachment]) -> Iterator[tuple[Attachment, str]]:
    """Those whose content is `missing`, or `changed` since it was added. Reads every file."""
    for attachment in attachments.order_by("pk").iterator(chunk_size=500):
        try:
            with storage().open(str(attachment.file)) as content:
                if digest(content) != attachment.sha256:
                    yield attachment, "changed"
        except FileNotFoundError:
            yield attachment, "missing"


def orphaned_files(before: datetime) -> Iterator[str]:
    """Names of stored files that no attachment speaks of, written before the moment.

    Newer ones may belong to an act that is not finished.
    """
    for folder in _folders(FOLDER):
        names = [f"{folder}/{name}" for name in storage().listdir(folder)[1]]
        for first in range(0, len(names), 500):
            batch = names[first : first + 500]
            known = set(Attachment.objects.filter(file__in=batch).values_list("file", flat=True))
            yield from (
                name for name in batch if name not in known and storage().get_modified_time(name) < before
            )


def _folders(folder: str) -> Iterator[str]:
    """The folder and all below it."""
    try:
        inner = storage().listdir(folder)[0]
    except FileNotFoundError:
        return
    yield folder
    for name in sorted(inner):
        yield from _folders(f"{folder}/{name}")

"""A whole register as one ZIP: every row of it as JSON lines, the trail, and the files. See docs/archive.md.

It is written while it is sent: what has to be held at a time is one batch of rows, or a piece of a file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.http import StreamingHttpResponse
from django.utils import timezone

from risks.models import Attachment, Category, Matrix, Register, Risk, User
from risks.queries.attachment import CHUNK, storage
from risks.queries.register_content import PARTS, Rows, trail_of
from risks.rules import Actor

_encode = DjangoJSONEncoder(ensure_ascii=False).encode
FORMAT, VERSION = "riskreg-register", 1
BATCH = 500
"""Rows fetched at a time."""


def archive_response(register: Register, name: str, *, by: Actor) -> StreamingHttpResponse:
    """The archive of the register as a download called `name`."""
    return StreamingHttpResponse(
        write_archive(register, by=by),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        },
    )


def write_archive(register: Register, *, by: Actor) -> Iterator[bytes]:
    """The bytes of the archive, piece by piece."""
    writer = _Writer(by.user.pk if by.user else None)
    with zipfile.ZipFile(writer.sink, "w", zipfile.ZIP_DEFLATED) as writer.zip:
        yield from writer.document("register.json", _row(register, _columns(Register)))
        yield from writer.document("matrix.json", _matrix(register.matrix))
        yield from writer.rows("categories", _categories(register))
        for part in PARTS:
            if part.kept and part.name != "attachments":
                yield from writer.rows(part.name, part.rows(register))
        yield from writer.rows("trail", trail_of(register))
        yield from writer.attachments(register)
        yield from writer.rows("people", User.objects.filter(pk__in=writer.people), ("id", "name", "email"))
        yield from writer.manifest(register)
    yield writer.sink.take()


class _Sink:
    """A file that cannot be rewound, and gives away what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return taken


@dataclass
class _Writer:
    """Writes members one after the other, and remembers what the manifest says of them."""

    user_id: int | None
    sink: Any = field(default_factory=_Sink)
    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)
    people: set[int] = field(default_factory=set)
    zip: Any = None

    def document(self, name: str, content: Any) -> Iterator[bytes]:
        text = json.dumps(content, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)
        return self.member(name, [f"{text}\n".encode()])

    def rows(self, name: str, rows: Rows, columns: tuple[str, ...] = ()) -> Iterator[bytes]:
        """A table as JSON lines, in the order of its keys."""
        columns = columns or _columns(rows.model)
        self.counts[name] = 0
        return self.member(f"{name}.jsonl", self._lines(name, rows, columns))

    def _lines(self, name: str, rows: Rows, columns: tuple[str, ...]) -> Iterator[bytes]:
        people = [
            each.attname
            for each in rows.model._meta.concrete_fields
            if each.is_relation and each.related_model is User
        ]
        for row in rows.order_by("pk").values(*columns).iterator(chunk_size=BATCH):
            self.people.update(row[column] for column in people if row[column])
            self.counts[name] += 1
            yield f"{_encode(row)}\n".encode()

    def attachments(self, register: Register) -> Iterator[bytes]:
        """Each file under its id and name, then the table of them."""
        part = next(part for part in PARTS if part.name == "attachments")
        found = part.rows(register).order_by("pk")
        for attachment in found.iterator(chunk_size=BATCH):
            yield from self._file(attachment)
        yield from self.rows("attachments", found)

    def _file(self, attachment: Attachment) -> Iterator[bytes]:
        try:
            content = storage().open(str(attachment.file))
        except FileNotFoundError:
            self.lost.append(attachment.pk)
            return
        name = f"files/{attachment.pk}/{attachment.name}"
        with content:
            yield from self.member(name, _pieces(content), zipfile.ZIP_STORED)
        if self.sums[name] != attachment.sha256:
            self.lost.append(attachment.pk)

    def manifest(self, register: Register) -> Iterator[bytes]:
        """The last member: how many rows, and the sum of every other member."""
        facts = {
            "format": FORMAT,
            "version": VERSION,
            "register": register.key,
            "team": register.team.slug,
            "exported_at": timezone.now(),
            "exported_by": self.user_id,
            "rows": self.counts,
            "missing_or_damaged_attachments": self.lost,
            "sha256": dict(self.sums),
        }
        return self.document("manifest.json", facts)

    def member(
        self, name: str, pieces: Iterable[bytes], compression: int = zipfile.ZIP_DEFLATED
    ) -> Iterator[bytes]:
        info = zipfile.ZipInfo(name, timezone.localtime().timetuple()[:6])
        info.compress_type, info.external_attr = compression, 0o600 << 16
        digest = sha256()
        with self.zip.open(info, "w", force_zip64=True) as member:
            for piece in _gathered(pieces):
                digest.update(piece)
                member.write(piece)
                if self.sink.size >= CHUNK:
                    yield self.sink.take()
        self.sums[name] = digest.hexdigest()


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces: each costs a call of the compressor."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(CHUNK):
        yield piece


def _columns(model: type[Model]) -> tuple[str, ...]:
    """What is kept of a row: all but what follows from the rest."""
    return tuple(field.attname for field in model._meta.concrete_fields if not field.generated)


def _row(row: Model, columns: tuple[str, ...]) -> dict[str, Any]:
    return {column: getattr(row, column) for column in columns}


def _matrix(matrix: Matrix) -> dict[str, Any]:
    """The scale that the scores are on."""
    parts = {
        name: [_row(each, _columns(type(each))) for each in getattr(matrix, name).order_by("pk")]
        for name in ("steps", "levels", "cells")
    }
    return _row(matrix, _columns(Matrix)) | parts


def _categories(register: Register) -> Rows:
    risks = Risk.objects.filter(register=register).order_by()
    used = risks.values("category").union(risks.values("subcategory"))
    return Category.objects.filter(pk__in=used)

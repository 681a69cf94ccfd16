"""What a file is, by its content: its name is only what the sender says.

What is not recognised, or is two things at once, has no type and is refused. Nothing is unpacked or rendered;
the only parts read of a ZIP are its list of members and the one that names the kind of an office document.
"""

from __future__ import annotations

import codecs
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import puremagic
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from risks.exceptions import Invalid

Words = str | Promise


@dataclass(frozen=True)
class FileType:
    """A type that can be allowed. The first of `extensions` is given to a name that has none."""

    key: str
    label: Words
    content_type: str
    extensions: tuple[str, ...]


_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_POWERPOINT = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_ODF = "application/vnd.oasis.opendocument."

TYPES = {
    each.key: each
    for each in (
        FileType("pdf", gettext_lazy("PDF document"), "application/pdf", (".pdf",)),
        FileType("png", gettext_lazy("PNG picture"), "image/png", (".png",)),
        FileType("jpeg", gettext_lazy("JPEG picture"), "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif")),
        FileType("gif", gettext_lazy("GIF picture"), "image/gif", (".gif",)),
        FileType("webp", gettext_lazy("WebP picture"), "image/webp", (".webp",)),
        FileType("docx", gettext_lazy("Word document"), _WORD, (".docx",)),
        FileType("xlsx", gettext_lazy("Excel workbook"), _EXCEL, (".xlsx",)),
        FileType("pptx", gettext_lazy("PowerPoint presentation"), _POWERPOINT, (".pptx",)),
        FileType("odt", gettext_lazy("OpenDocument text"), _ODF + "text", (".odt",)),
        FileType("ods", gettext_lazy("OpenDocument spreadsheet"), _ODF + "spreadsheet", (".ods",)),
        FileType("odp", gettext_lazy("OpenDocument presentation"), _ODF + "presentation", (".odp",)),
        FileType("txt", gettext_lazy("Plain text"), "text/plain", (".txt", ".text", ".log")),
        FileType("csv", gettext_lazy("CSV table"), "text/csv", (".csv", ".tsv")),
        FileType("md", gettext_lazy("Markdown text"), "text/markdown", (".md", ".markdown")),
        FileType("eml", gettext_lazy("E-mail message"), "message/rfc822", (".eml",)),
        FileType("zip", gettext_lazy("ZIP archive"), "application/zip", (".zip",)),
    )
}

_TEXTS = ("txt", "csv", "md", "eml")
_BY_EXTENSION = {extension: each for each in TYPES.values() for extension in each.extensions}
_BY_CONTENT_TYPE = {each.content_type: each for each in TYPES.values()}

_WEB_PAGE = gettext_lazy("Web page (HTML)")
_SVG = gettext_lazy("SVG picture")
_XML = gettext_lazy("XML document")
_PROGRAM = gettext_lazy("Program")
_SCRIPT = gettext_lazy("Script")
_MACROS = gettext_lazy("Office document with macros")
_OLD_OFFICE = gettext_lazy("Old Office document, or one with a password")
_RICH_TEXT = gettext_lazy("Rich text (RTF)")
_NAMED_ONLY: dict[str, Words] = {
    ".html": _WEB_PAGE, ".htm": _WEB_PAGE, ".xhtml": _WEB_PAGE, ".svg": _SVG, ".xml": _XML,
    ".exe": _PROGRAM, ".dll": _PROGRAM, ".msi": _PROGRAM, ".jar": _PROGRAM, ".apk": _PROGRAM,
    ".js": _SCRIPT, ".mjs": _SCRIPT, ".vbs": _SCRIPT, ".ps1": _SCRIPT, ".bat": _SCRIPT, ".cmd": _SCRIPT,
    ".sh": _SCRIPT, ".py": _SCRIPT, ".php": _SCRIPT, ".hta": _SCRIPT, ".docm": _MACROS, ".xlsm": _MACROS,
    ".pptm": _MACROS, ".doc": _OLD_OFFICE, ".xls": _OLD_OFFICE, ".ppt": _OLD_OFFICE, ".rtf": _RICH_TEXT,
}  # fmt: skip
"""What names may claim that is never allowed, for the sentence that says so."""


@dataclass(frozen=True)
class Content:
    """What was found: a key of TYPES or nothing; what to call it; a text's encoding."""

    key: str
    label: Words = ""
    charset: str = ""
    is_several: bool = False  # more than one kind of file at once


def type_label(content_type: str) -> Words:
    """The type of a stored file in words."""
    found = _BY_CONTENT_TYPE.get(content_type.partition(";")[0])
    return found.label if found else content_type


def check_type(file: BinaryIO, name: str, allowed: tuple[str, ...]) -> tuple[str, str]:
    """The name, with an ending if it had none, and the content type. Raises Invalid with what is wrong."""
    content = recognise(file)
    extension = extension_of(name)
    claimed = _BY_EXTENSION.get(extension)
    claim: Words = claimed.label if claimed else _NAMED_ONLY.get(extension, extension)
    if content.is_several:
        raise Invalid(
            _("“%(name)s” cannot be added: it is more than one kind of file at once.") % {"name": name}
        )
    found = _as_claimed(content, claimed)
    if found and (extension in found.extensions or not extension) and found.key in allowed:
        charset = f"; charset={content.charset}" if content.charset else ""
        return name if extension else name + found.extensions[0], found.content_type + charset
    label = (found.label if found else content.label) or _("unknown content")
    is_other_text = found is not None and found.key in _TEXTS and claimed is None
    if claim and label != claim and not is_other_text:
        raise Invalid(
            _("“%(name)s” says it is: %(claim)s. But its content is: %(found)s. It was not added.")
            % {"name": name, "claim": claim, "found": label}
        )
    raise Invalid(
        _("“%(name)s” cannot be added (%(found)s). Allowed are: %(allowed)s.")
        % {"name": name, "found": claim or label, "allowed": allowed_labels(allowed)}
    )


def allowed_labels(allowed: tuple[str, ...]) -> str:
    return ", ".join(str(TYPES[key].label) for key in allowed)


def allowed_extensions(allowed: tuple[str, ...]) -> str:
    """For the `accept` of a file input."""
    return ",".join(chain.from_iterable(TYPES[key].extensions for key in allowed))


def extension_of(name: str) -> str:
    """In lower case with its dot; empty if there is none."""
    stem, dot, last = name.rpartition(".")
    return f".{last.lower()}" if dot and stem and last and len(last) <= 10 and " " not in last else ""


def _as_claimed(content: Content, claimed: FileType | None) -> FileType | None:
    """Texts are told apart by their names only."""
    if content.key == "txt" and claimed and claimed.key in _TEXTS:
        return claimed
    return TYPES.get(content.key)


# --- recognising


def recognise(file: BinaryIO) -> Content:
    """What the file is. Reads it from its beginning and leaves it there."""
    try:
        return _recognise(file)
    finally:
        file.seek(0)


def _recognise(file: BinaryIO) -> Content:
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(_SNIFFED)
    for signature, structure, key in _BINARY:
        if head.startswith(signature):
            if key == "webp" and head[8:12] != b"WEBP":
                break
            end = structure(file, size)
            if end is None:
                return Content("", _("damaged file"))
            return Content(key, TYPES[key].label, is_several=_holds_another(file, head, size, end))
    if head.startswith(b"PK\x03\x04"):
        return _recognise_zip(file, size)
    for signature, label in _NEVER:
        if head.startswith(signature):
            return Content("", label)
    if zipfile.is_zipfile(file):
        return Content("", is_several=True)
    return _recognise_text(file) or Content("", _unknown(head))


_SNIFFED = 2048
_NEVER: tuple[tuple[bytes, Words], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLD_OFFICE),
    (b"\x7fELF", _PROGRAM),
    (b"\xca\xfe\xba\xbe", _PROGRAM),
    (b"\xfe\xed\xfa", _PROGRAM),
    (b"\xcf\xfa\xed\xfe", _PROGRAM),
    (b"#!", _SCRIPT),
    (b"{\\rtf", _RICH_TEXT),
)
_ACTIVE = re.compile(
    rb"<\s*(?:!doctype|html|head|body|script|iframe|svg|object|embed|\?php)|<\?xml[^>]*\?>\s*<svg", re.I
)
"""What a browser or server would run."""


def _unknown(head: bytes) -> Words:
    """A program, or the usual ending of whatever puremagic takes it for."""
    if head.startswith(b"MZ"):
        return _PROGRAM
    try:
        return puremagic.magic_string(head)[0].extension.lstrip(".").upper()
    except (puremagic.PureError, IndexError, ValueError):
        return ""


def _holds_another(file: BinaryIO, head: bytes, size: int, end: int) -> bool:
    """Whether a file of one kind is another as well: markup where browsers look, an archive at its end."""
    file.seek(end)
    after = file.read(min(size - end, 1 << 20))
    return bool(
        _ACTIVE.search(head)
        or _ACTIVE.search(after)
        or (not head.startswith(b"%PDF-") and b"%PDF-" in head[:1024])
        or after.lstrip(b"\0\r\n\t ").startswith((b"PK\x03\x04", b"%PDF-", b"MZ", b"\x7fELF", b"#!"))
        or zipfile.is_zipfile(file)
    )


def _end_of_pdf(file: BinaryIO, size: int) -> int | None:
    start = max(0, size - 65_536)
    file.seek(start)
    place = file.read().rfind(b"%%EOF")
    return start + place + 5 if place >= 0 else None


def _end_of_png(file: BinaryIO, size: int) -> int | None:
    """Its parts are each a length, a name, the data and a checksum; the last is IEND."""
    place, name, first = 8, b"", True
    while name != b"IEND":
        file.seek(place)
        part = file.read(8)
        if len(part) < 8:
            return None
        length, name = struct.unpack(">I4s", part)
        place += 12 + length
        if place > size or (first and name != b"IHDR"):
            return None
        first = False
    return place


def _end_of_jpeg(file: BinaryIO, size: int) -> int | None:
    """Segments up to the start of the scan, then the picture's data up to the last end mark."""
    place, marker = 2, 0
    while marker != 0xDA:
        file.seek(place)
        part = file.read(4)
        if len(part) < 4 or part[0] != 0xFF:
            return None
        if part[1] == 0xFF:  # filler
            place += 1
            continue
        marker, length = part[1], struct.unpack(">H", part[2:])[0]
        place += 2 + length
    start = max(place, size - (4 << 20))
    file.seek(start)
    last = file.read().rfind(b"\xff\xd9")
    return start + last + 2 if last >= 0 else None


def _end_of_gif(file: BinaryIO, size: int) -> int | None:
    file.seek(0)
    head = file.read(13)
    if len(head) < 13 or head[:6] not in (b"GIF87a", b"GIF89a"):
        return None
    file.seek(13 + _colours(head[10]))
    while (kind := file.read(1)) != b";":
        if kind == b"!":
            file.seek(1, 1)
        elif kind == b",":
            described = file.read(9)
            if len(described) < 9:
                return None
            file.seek(_colours(described[8]) + 1, 1)
        else:
            return None
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], 1)
    return file.tell()


def _colours(flags: int) -> int:
    """Bytes of a GIF's table of colours."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_webp(file: BinaryIO, size: int) -> int | None:
    file.seek(4)
    length: int = struct.unpack("<I", file.read(4))[0]
    return 8 + length + length % 2 if 8 + length <= size else None


_BINARY: tuple[tuple[bytes, Callable[[BinaryIO, int], int | None], str], ...] = (
    (b"%PDF-", _end_of_pdf, "pdf"),
    (b"\x89PNG\r\n\x1a\n", _end_of_png, "png"),
    (b"\xff\xd8\xff", _end_of_jpeg, "jpeg"),
    (b"GIF8", _end_of_gif, "gif"),
    (b"RIFF", _end_of_webp, "webp"),
)
"""How a kind begins, and the function that finds where it ends (None if it is broken)."""


# --- archives and office documents

_MAX_MEMBERS = 20_000
_MAX_PART = 1 << 20
_OFFICE = {
    f"{main}.main+xml": key for key, main in (("docx", _WORD), ("xlsx", _EXCEL), ("pptx", _POWERPOINT))
}


def _recognise_zip(file: BinaryIO, size: int) -> Content:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS or not members:
                return Content("")
            # Members before the first or after the end would be a second file around the archive.
            if min(each.header_offset for each in members) != 0 or not _ends_here(file, archive, size):
                return Content("", is_several=True)
            return _recognise_members(archive, {each.filename for each in members})
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        return Content("", _("damaged file"))


def _ends_here(file: BinaryIO, archive: zipfile.ZipFile, size: int) -> bool:
    """Whether the archive's comment is all that follows its directory, and holds nothing that runs."""
    comment = archive.comment
    file.seek(size - len(comment) - 22)
    return file.read(4) == b"PK\x05\x06" and not _ACTIVE.search(comment)


def _recognise_members(archive: zipfile.ZipFile, names: set[str]) -> Content:
    if names & {"META-INF/MANIFEST.MF", "AndroidManifest.xml"}:
        return Content("", _PROGRAM)
    if "[Content_Types].xml" in names:
        return _recognise_office(_part(archive, "[Content_Types].xml").decode("utf-8", "replace"), names)
    if "mimetype" in names:
        kind = _part(archive, "mimetype").decode("ascii", "replace").strip()
        if any(name.startswith(("Basic/", "Scripts/")) for name in names):
            return Content("", _MACROS)
        found = _BY_CONTENT_TYPE.get(kind)
        return Content(found.key, found.label) if found and kind.startswith(_ODF) else Content("", kind[:60])
    return Content("zip", TYPES["zip"].label)


def _recognise_office(types: str, names: set[str]) -> Content:
    """The main part says which program it is for; macros may hide behind any of them."""
    if "macroenabled" in types.lower() or any(name.lower().endswith("vbaproject.bin") for name in names):
        return Content("", _MACROS)
    keys = [key for main, key in _OFFICE.items() if f'"{main}"' in types]
    return Content(keys[0], TYPES[keys[0]].label) if len(keys) == 1 else Content("")


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    """The beginning of a member: it may unpack to far more than the archive's size."""
    with archive.open(name) as part:
        return part.read(_MAX_PART)


# --- text

_CHUNK = 65_536
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_HTML = re.compile(
    r"<(?:!--|(?:!doctype|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>/])", re.I
)
"""What browsers take for a web page, if it stands at the beginning."""
_TAG = re.compile(r"<[\w:]{1,80}(?:\s[^<>]*)?>")


def _markup(start: str) -> Words:
    """What a text is that begins like markup; empty if it does not."""
    start = start.lstrip()
    if start.startswith("<?xml") or start[:4].lower() == "<svg":
        return _SVG if "<svg" in start.lower() else _XML
    if start.startswith("<?"):
        return _SCRIPT
    return _WEB_PAGE if _HTML.match(start) else _XML if _TAG.match(start) else ""


def _recognise_text(file: BinaryIO) -> Content | None:
    for charset in _charsets(file):
        start = _decoded_start(file, charset)
        if start is None:
            continue
        label = _markup(start)
        return Content("", label) if label else Content("txt", TYPES["txt"].label, charset)
    return None


def _charsets(file: BinaryIO) -> tuple[str, ...]:
    file.seek(0)
    if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return ("utf-16",)
    return ("utf-8", "gb18030")


def _decoded_start(file: BinaryIO, charset: str) -> str | None:
    """The beginning of the text; None if any of the file is not text in this encoding."""
    decoder = codecs.getincrementaldecoder("utf-8-sig" if charset == "utf-8" else charset)()
    file.seek(0)
    start = ""
    try:
        while chunk := file.read(_CHUNK):
            text = decoder.decode(chunk)
            if _CONTROL.search(text):
                return None
            start = start or text[:_SNIFFED]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return start

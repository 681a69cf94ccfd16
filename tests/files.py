"""Small files of each kind, as programs write them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from django.core.files.uploadedfile import SimpleUploadedFile

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n"
    b"trailer<</Size 3/Root 1 0 R>>\nstartxref\n101\n%%EOF\n"
)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + _chunk(b"IEND", b"")
)
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xdb\x00\x43\x00" + b"\x10" * 64 + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x7f\xd0\xff\xd9"
)
WEBP = b"RIFF" + struct.pack("<I", 26) + b"WEBPVP8L" + struct.pack("<I", 13) + b"\x2f" + b"\0" * 12 + b"\0"
_MAIN = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
    "docm": "application/vnd.ms-word.document.macroEnabled.main+xml",
}
_ODF = {"odt": "text", "ods": "spreadsheet", "odp": "presentation"}


def archive(members: dict[str, bytes | str], *, prefix: bytes = b"", comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
        file.comment = comment
    return prefix + stream.getvalue()


def office(kind: str, more: dict[str, bytes | str] | None = None) -> bytes:
    """A document of `kind`: docx, xlsx, pptx, docm, odt, ods or odp."""
    if kind in _ODF:
        members: dict[str, bytes | str] = {
            "mimetype": f"application/vnd.oasis.opendocument.{_ODF[kind]}",
            "content.xml": "<office/>",
        }
    else:
        types = f'<Types><Override PartName="/main.xml" ContentType="{_MAIN[kind]}"/></Types>'
        members = {"[Content_Types].xml": types, "main.xml": "<main/>"}
    return archive(members | (more or {}))


SAMPLES: dict[str, tuple[str, bytes]] = {
    "pdf": ("report.pdf", PDF),
    "png": ("picture.png", PNG),
    "jpeg": ("photo.JPG", JPEG),
    "gif": ("dot.gif", GIF),
    "webp": ("small.webp", WEBP),
    **{kind: (f"document.{kind}", office(kind)) for kind in ("docx", "xlsx", "pptx", "odt", "ods", "odp")},
    "txt": ("notes.txt", "Cost rises by 20 %.\n成本上升。\n".encode()),
    "csv": ("table.csv", "风险,等级\r\n成本,高\r\n".encode("gb18030")),
    "md": ("README.md", "# Minutes\n\n- <b>bold</b> is fine inside\n".encode("utf-16")),
}


def upload(name: str = "notes.txt", content: bytes = b"A note.\n") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)

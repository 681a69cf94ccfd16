"""What a file is follows from its content; names are cleaned; nothing that runs is let in."""

from __future__ import annotations

import io
import struct
import unicodedata

import pytest
import xlsxwriter
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from weasyprint import HTML

from riskreg.files import ATTACHMENT_TYPES, MORE_TYPES, attachment_types
from risks.exceptions import Invalid
from risks.services.attachment import LONGEST_NAME, clean_name
from risks.services.file_type import TYPES, check_type, extension_of, recognise, type_label
from tests.files import GIF, JPEG, PDF, PNG, SAMPLES, WEBP, archive, office

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500
PROGRAM = b"MZ\x90\0\x03\0\0\0" + b"\0" * 500


def _check(name: str, content: bytes, allowed: tuple[str, ...] = ATTACHMENT_TYPES) -> tuple[str, str]:
    return check_type(io.BytesIO(content), name, allowed)


def _refusal(name: str, content: bytes, allowed: tuple[str, ...] = ATTACHMENT_TYPES) -> str:
    with pytest.raises(Invalid) as refused:
        _check(name, content, allowed)
    return str(refused.value.message)


def test_known_types_and_settings_name_the_same() -> None:
    assert set(TYPES) == {*ATTACHMENT_TYPES, *MORE_TYPES}
    assert set(SAMPLES) == set(ATTACHMENT_TYPES)
    assert not {".html", ".htm", ".svg", ".xml", ".js", ".docm", ".exe"} & {
        extension for each in TYPES.values() for extension in each.extensions
    }


@pytest.mark.parametrize("key", SAMPLES)
def test_each_type_is_recognised_by_its_content(key: str) -> None:
    name, content = SAMPLES[key]
    charset = {"txt": "; charset=utf-8", "csv": "; charset=gb18030", "md": "; charset=utf-16"}.get(key, "")
    assert _check(name, content) == (name, TYPES[key].content_type + charset)
    assert str(type_label(_check(name, content)[1])) == str(TYPES[key].label)


def test_files_of_real_programs_are_recognised() -> None:
    book = io.BytesIO()
    with xlsxwriter.Workbook(book) as workbook:
        workbook.add_worksheet().write("A1", "风险")
    pdf = HTML(string="<h1>风险</h1><p>a report").write_pdf()
    assert _check("book.xlsx", book.getvalue())[1] == TYPES["xlsx"].content_type
    assert _check("report.pdf", pdf or b"")[1] == "application/pdf"


def test_pictures_of_a_real_program_are_recognised() -> None:
    pillow = pytest.importorskip("PIL.Image")
    for key, save_as in (("png", "PNG"), ("jpeg", "JPEG"), ("gif", "GIF"), ("webp", "WEBP")):
        stream = io.BytesIO()
        pillow.effect_noise((200, 150), 80).convert("RGB").save(stream, save_as)
        assert recognise(io.BytesIO(stream.getvalue())).key == key, key
    frames = [pillow.effect_noise((40, 30), n).convert("P") for n in (20, 60, 90)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    assert recognise(io.BytesIO(stream.getvalue())).key == "gif"
    stream = io.BytesIO()
    pillow.effect_noise((200, 150), 80).convert("RGB").save(stream, "JPEG", progressive=True, quality=95)
    assert recognise(io.BytesIO(stream.getvalue())).key == "jpeg"


LIARS = {
    "page as pdf": ("a.pdf", b"<!DOCTYPE html><script>alert(1)</script>", "PDF document", "Web page (HTML)"),
    "svg as png": ("a.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "PNG picture", "SVG picture"),
    "xml as text": ("a.txt", b"<?xml version='1.0'?><a/>", "Plain text", "XML document"),
    "xml without a head as text": ("a.txt", b"<note lang='en'>x</note>", "Plain text", "XML document"),
    "page as text": ("a.txt", b"  <html><body>", "Plain text", "Web page (HTML)"),
    "page in utf-16 as text": ("a.txt", "<script>".encode("utf-16"), "Plain text", "Web page (HTML)"),
    "page behind a comment": ("a.md", b"<!-- x --><script>", "Markdown text", "Web page (HTML)"),
    "php as text": ("a.txt", b"<?php system($_GET['x']);", "Plain text", "Script"),
    "shell script as text": ("a.txt", b"#!/bin/sh\nrm -rf /\n", "Plain text", "Script"),
    "rich text as text": ("a.txt", b"{\\rtf1\\ansi x}", "Plain text", "Rich text (RTF)"),
    "program as pdf": ("a.pdf", PROGRAM, "PDF document", "Program"),
    "elf as png": ("a.png", b"\x7fELF\x02\x01\x01" + b"\0" * 90, "PNG picture", "Program"),
    "png as pdf": ("a.pdf", PNG, "PDF document", "PNG picture"),
    "pdf as word": ("a.docx", PDF, "Word document", "PDF document"),
    "excel as word": ("a.docx", office("xlsx"), "Word document", "Excel workbook"),
    "macros as word": ("a.docx", office("docm"), "Word document", "Office document with macros"),
    "zip as word": ("a.docx", archive({"a.txt": "x"}), "Word document", "ZIP archive"),
    "jar as word": ("a.docx", archive({"META-INF/MANIFEST.MF": "x"}), "Word document", "Program"),
    "old word as word": ("a.docx", OLE, "Word document", "Old Office document, or one with a password"),
    "text as png": ("a.png", b"only text", "PNG picture", "Plain text"),
    "broken png": ("a.png", PNG[:40], "PNG picture", "damaged file"),
    "garbage as pdf": ("a.pdf", bytes(range(256)) * 4, "PDF document", "unknown content"),
    "pdf with old name": ("a.doc", PDF, "Old Office document, or one with a password", "PDF document"),
    "png with another ending": ("a.xyz", PNG, ".xyz", "PNG picture"),
}


@pytest.mark.parametrize("case", LIARS)
def test_file_that_lies_about_its_type_is_refused_with_both(case: str) -> None:
    name, content, claim, found = LIARS[case]
    assert _refusal(name, content) == (
        f"“{name}” says it is: {claim}. But its content is: {found}. It was not added."
    )


NOT_ALLOWED = {
    "program": ("a.exe", PROGRAM, "Program"),
    "page": ("a.html", b"<html>", "Web page (HTML)"),
    "svg": ("a.svg", b"<svg></svg>", "SVG picture"),
    "script": ("a.js", b"alert(1)", "Script"),
    "text with another ending": ("a.cfg", b"x = 1", ".cfg"),
    "macros": ("a.docm", office("docm"), "Office document with macros"),
    "archive": ("a.zip", archive({"a.txt": "x"}), "ZIP archive"),
    "message": ("a.eml", b"From: a@b\n\nHello", "E-mail message"),
    "program without an ending": ("setup", PROGRAM, "Program"),
}


@pytest.mark.parametrize("case", NOT_ALLOWED)
def test_type_that_is_not_allowed_is_refused_with_those_that_are(case: str) -> None:
    name, content, found = NOT_ALLOWED[case]
    sentence = _refusal(name, content, ("pdf", "txt"))
    assert sentence == f"“{name}” cannot be added ({found}). Allowed are: PDF document, Plain text."


MACROS = {
    "vba": office("docx", {"word/vbaProject.bin": b"x"}),
    "vba in odd letters": office("xlsx", {"xl/VBAproject.BIN": b"x"}),
    "type with macros": office("docm"),
    "open document": office("odt", {"Basic/Standard/Module1.xml": "x"}),
}


@pytest.mark.parametrize("case", MACROS)
def test_macros_are_found_whatever_the_name(case: str) -> None:
    assert str(recognise(io.BytesIO(MACROS[case])).label) == "Office document with macros"


_ZIP = archive({"a.txt": "x"})
POLYGLOTS = {
    "pdf and zip": ("a.pdf", PDF + _ZIP),
    "png and zip": ("a.png", PNG + _ZIP),
    "gif and jar": ("a.gif", GIF + archive({"META-INF/MANIFEST.MF": "x"})),
    "jpeg and zip": ("a.jpg", JPEG + _ZIP),
    "webp and zip": ("a.webp", WEBP + _ZIP),
    "png and page": ("a.png", PNG + b"<html><script>alert(1)</script>"),
    "jpeg and page": ("a.jpg", JPEG + b"\0\0<script>alert(1)</script>"),
    "jpeg and php": ("a.jpg", JPEG + b"<?php phpinfo();"),
    "gif and program": ("a.gif", GIF + b"MZ\x90\0"),
    "pdf and page": ("a.pdf", PDF[:9] + b"<html><script>alert(1)</script>" + PDF[9:]),
    "png and pdf": ("a.png", PNG[:33] + struct.pack(">I", 9) + b"tEXt%PDF-1.4\n" + b"\0\0\0\0" + PNG[33:]),
    "script and zip": ("a.docx", b"text before" + office("docx")),
    "program and zip": ("a.docx", b"MZ\x90\0" + office("docx")),
    "zip in a zip's place": ("a.docx", _ZIP + office("docx")),
    "page in the comment": ("a.docx", archive({"[Content_Types].xml": "x"}, comment=b"<script>x</script>")),
    "after the comment": ("a.docx", office("docx") + b"<html>"),
}


@pytest.mark.parametrize("case", POLYGLOTS)
def test_file_that_is_two_at_once_is_refused(case: str) -> None:
    name, content = POLYGLOTS[case]
    assert _refusal(name, content) == (f"“{name}” cannot be added: it is more than one kind of file at once.")


def test_gif_that_is_a_script_too_is_no_picture() -> None:
    assert recognise(io.BytesIO(b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//;")).key == ""


def test_picture_with_harmless_data_after_it_is_taken() -> None:
    """Phones append a trailer of their own."""
    assert recognise(io.BytesIO(JPEG + b"SEFH\0\0\x01SEFT")).key == "jpeg"


def test_archive_that_unpacks_to_more_than_memory_is_not_unpacked() -> None:
    bomb = archive({"[Content_Types].xml": b" " * 30_000_000, "a": b"\0" * 10_000_000})
    assert recognise(io.BytesIO(bomb)).key == ""


@pytest.mark.parametrize(
    "content", [b"a\0b", b"\xff\xfe\xfd\x80\x81", "mit Umlaut ä".encode("latin-1") + b"\xff", b"\x1b[31mred"]
)
def test_text_with_nul_or_of_no_encoding_is_no_text(content: bytes) -> None:
    assert recognise(io.BytesIO(content)).key == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_text_is_recognised_in_each_encoding(encoding: str) -> None:
    text = "风险登记册：成本上升 20 %。\r\n\t第二行\n" * 20_000
    assert recognise(io.BytesIO(text.encode(encoding))).key == "txt"


def test_character_across_a_chunk_is_no_error() -> None:
    assert recognise(io.BytesIO(b"a" * 65_535 + "险".encode())).key == "txt"


def test_name_without_an_ending_gets_that_of_its_type() -> None:
    assert _check("picture", PNG) == ("picture.png", "image/png")
    assert _check("README", b"text") == ("README.txt", "text/plain; charset=utf-8")


def test_text_keeps_the_kind_that_its_name_says() -> None:
    text = b"Title: x\nAuthor: y\nDate: z\n\nText"
    assert [_check(f"a{ending}", text)[1].split(";")[0] for ending in (".txt", ".csv", ".md")] == [
        "text/plain", "text/csv", "text/markdown",
    ]  # fmt: skip
    assert _check("a.eml", text, ("eml",))[1] == "message/rfc822; charset=utf-8"


def test_allowed_types_are_read_from_the_settings() -> None:
    assert attachment_types([]) == ATTACHMENT_TYPES
    assert attachment_types(["zip", "pdf"]) == ("pdf", "zip")
    assert _check("a.zip", _ZIP, ("zip",)) == ("a.zip", "application/zip")


@given(st.binary(max_size=3000))
def test_any_bytes_have_a_type_or_none(content: bytes) -> None:
    _leaves_as_it_was(content)


@given(st.sampled_from([*SAMPLES]), st.data())
def test_any_damage_leaves_a_type_or_none(key: str, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[key][1])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    _leaves_as_it_was(bytes(content[: data.draw(st.integers(0, len(content)))]))


def _leaves_as_it_was(content: bytes) -> None:
    stream = io.BytesIO(content)
    found = recognise(stream)
    assert found.key in {"", *TYPES}
    assert stream.tell() == 0
    assert stream.read() == content


# --- names

NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\Users\\me\\plan.docx": "plan.docx",
    "cafe\u0301.pdf": "caf\u00e9.pdf",
    "invoice\u202efdp.exe": "invoicefdp.exe",
    "a\u2066b\u200b\ufeffc.txt": "abc.txt",
    "a\0b\x07\n c.txt": "ab c.txt",
    ' a  "b" <c>|d?*:e.txt ': "a _b_ _c__d___e.txt",
    ".htaccess": "htaccess",
    "...": "file",
    "": "file",
    "\u202e": "file",
    "CON": "_CON",
    "con.txt": "_con.txt",
    "console.txt": "console.txt",
    "报告（终稿）.pdf": "报告（终稿）.pdf",
    "👩\u200d💻.png": "👩\u200d💻.png",
    "a.tar. ": "a.tar",
    "<script>alert(1)</script>.txt": "script_.txt",
}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_name_is_cleaned(name: str) -> None:
    assert clean_name(name) == NAMES[name]


def test_long_name_keeps_its_ending() -> None:
    name = clean_name("险" * 300 + ".pdf")
    assert name == "险" * 65 + ".pdf"
    assert len(name.encode()) <= LONGEST_NAME


@given(st.text(max_size=400))
def test_any_name_becomes_one_that_every_system_takes(name: str) -> None:
    cleaned = clean_name(name)
    assert 0 < len(cleaned.encode()) <= LONGEST_NAME
    assert cleaned == unicodedata.normalize("NFC", cleaned)
    assert cleaned.strip(". ") == cleaned
    assert not set('/\\<>:"|?*') & set(cleaned)
    invisible = {unicodedata.category(each) for each in cleaned if each not in "\u200c\u200d"}
    assert not invisible & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert clean_name(cleaned) == cleaned


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.PDF", ".pdf"), ("a", ""), (".a", ""), ("a.b.c", ".c"), ("a. b", ""), ("a.", "")],
)
def test_extension(name: str, extension: str) -> None:
    assert extension_of(name) == extension


def test_unknown_type_in_the_settings_says_which_are_known() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"RISKREG_ATTACHMENT_TYPES knows .*; not exe, svg"):
        attachment_types(["pdf", "svg", "exe"])

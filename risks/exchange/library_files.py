"""The two formats of the library's files: JSON, nested, and CSV with its parts in numbered columns.

Both turn a `tablib.Dataset` whose cells are texts, numbers, flags and lists of plain objects into bytes and
back. In CSV a text that a spreadsheet would run as a formula stands behind an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tablib
from django.utils.translation import gettext as _

from risks.exceptions import Invalid

PARTS: dict[str, tuple[str, ...]] = {
    "mitigations": ("kind", "title_en", "title_zh", "trigger_en", "trigger_zh"),
    "indicators": ("name_en", "name_zh", "unit_en", "unit_zh", "amber", "red", "bad_when"),
    "references": ("source", "items"),
}
"""What a template holds several of, with their columns; in CSV `mitigation_1_kind` and so on."""

_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")


def _write_json(dataset: tablib.Dataset) -> bytes:
    rows = [dict(zip(dataset.headers, row, strict=True)) for row in dataset]
    return (json.dumps(rows, ensure_ascii=False, indent=2) + "\n").encode()


def _read_json(text: str) -> tablib.Dataset:
    try:
        rows = json.loads(text)
        text = json.dumps(rows, ensure_ascii=False)
        text.encode()  # raises for halves of characters, which no database holds; nor does it hold NUL
        if _NUL.search(text):
            raise ValueError("NUL")
    except (ValueError, RecursionError):
        raise Invalid(_("This file is not JSON. Choose a file that was exported here.")) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid(_("A list of templates is expected in this file."))
    headers = list(rows[0]) if rows else []
    for number, row in enumerate(rows, 1):
        if set(row) != set(headers):
            raise Invalid(
                _("Row %(number)d does not have the same fields as the first one.") % {"number": number}
            )
    return tablib.Dataset(*[[row[name] for name in headers] for row in rows], headers=headers)


def _write_csv(dataset: tablib.Dataset) -> bytes:
    rows = [dict(zip(dataset.headers, row, strict=True)) for row in dataset]
    columns = [
        (name, None, "") if name not in PARTS else (name, number, column)
        for name in dataset.headers
        for number, column in (_numbered(name, rows) if name in PARTS else [(0, "")])
    ]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(name if n is None else f"{name[:-1]}_{n + 1}_{column}" for name, n, column in columns)
    for row in rows:
        writer.writerow(
            _cell(row[name] if n is None else (row[name][n][column] if n < len(row[name]) else None))
            for name, n, column in columns
        )
    return stream.getvalue().encode("utf-8-sig")


def _numbered(name: str, rows: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    longest = max((len(row[name]) for row in rows), default=0)
    return [(number, column) for number in range(longest) for column in PARTS[name]]


_NUMBERED = re.compile(rf"({'|'.join(name[:-1] for name in PARTS)})_([1-9][0-9]{{0,3}})_([a-z_]+)")


def _read_csv(text: str) -> tablib.Dataset:
    first_line = text.split("\n", 1)[0]
    try:
        if "\0" in text:
            raise ValueError("NUL")
        lines = list(
            csv.reader(
                io.StringIO(text, newline=""), delimiter=max(",;\t", key=first_line.count), strict=True
            )
        )
    except (csv.Error, ValueError):
        raise Invalid(_("This file is not CSV. Choose a file that was exported here.")) from None
    while lines and not any(lines[-1]):
        lines.pop()
    headers = [name.strip() for name in lines[0]] if lines else []
    if len(set(headers)) < len(headers):
        raise Invalid(_("A column stands in the file twice; keep one of them."))
    flat = [name for name in headers if not _NUMBERED.fullmatch(name)]
    parts = [name for name in PARTS if any(header.startswith(name[:-1] + "_") for header in headers)]
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if len(line) > len(headers):
            raise Invalid(_("Line %(number)d has more cells than the first one.") % {"number": number})
        cells = dict(zip(headers, [restore(cell) for cell in line] + [""] * len(headers), strict=False))
        rows.append([cells[name] for name in flat] + [_items(name, cells) for name in parts])
    return tablib.Dataset(*rows, headers=[*flat, *parts])


def _items(part: str, cells: dict[str, str]) -> list[dict[str, str]]:
    items: dict[int, dict[str, str]] = {}
    for header, value in cells.items():
        match = _NUMBERED.fullmatch(header)
        if match and match[1] == part[:-1]:
            items.setdefault(int(match[2]), {})[match[3]] = value
    return [items[number] for number in sorted(items) if any(items[number].values())]


_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


def neutralise(text: str) -> str:
    """The text, behind an apostrophe if a spreadsheet would run it as a formula; `restore` takes it away."""
    return "'" + text if _FORMULA.match(text) else text


def restore(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return neutralise(value) if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class FileFormat:
    content_type: str
    write: Callable[[tablib.Dataset], bytes]
    read: Callable[[str], tablib.Dataset]


FORMATS = {
    "json": FileFormat("application/json", _write_json, _read_json),
    "csv": FileFormat("text/csv; charset=utf-8", _write_csv, _read_csv),
}

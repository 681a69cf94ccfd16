"""Exports as CSV: UTF-8 with its mark, so that Excel reads Chinese, sent while it is written."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone, translation

from risks.exchange.rows import Table

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The wide ones count too where the spreadsheet speaks Chinese or Japanese."""


def csv_response(sheet: Table, name: str) -> StreamingHttpResponse:
    """The sheet as a download called `name`."""
    return StreamingHttpResponse(
        _lines(sheet, translation.get_language(), timezone.get_current_timezone()),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        },
    )


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def _lines(sheet: Table, language: str | None, zone: tzinfo) -> Iterator[bytes]:
    writer = csv.writer(_Echo())
    yield b"\xef\xbb\xbf"
    yield writer.writerow([column.heading for column in sheet.columns]).encode()
    # Language and zone end with the view; the lines are written after it, while they are sent.
    with translation.override(language), timezone.override(zone):
        for row in sheet:
            yield writer.writerow([plain(value) for value in row]).encode()


def plain(value: Any) -> Any:
    """A value as text that no spreadsheet takes for a formula; dates as ISO 8601."""
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes")
    return value.isoformat() if isinstance(value, date) else value

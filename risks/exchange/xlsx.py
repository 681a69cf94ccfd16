"""Exports as XLSX: real dates and numbers, and texts that stay texts."""

from __future__ import annotations

import tempfile
from datetime import date
from typing import Any

import xlsxwriter
from django.http import FileResponse

from risks.exchange.rows import Format, Table, Value

MAX_ROWS = 30_000
"""More would keep a worker busy for over ten seconds; CSV takes any number."""
_CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NUMBER_FORMATS = {
    Format.SHARE: "0.00%",
    Format.AMOUNT: "#,##0.00",
    Format.DAY: "yyyy-mm-dd",
    Format.MOMENT: "yyyy-mm-dd hh:mm",
}
_WIDTHS = {Format.TEXT: 40, Format.CODE: 16, Format.NUMBER: 10, Format.SHARE: 12, Format.AMOUNT: 16,
           Format.DAY: 12, Format.MOMENT: 17}  # fmt: skip


def xlsx_response(sheet: Table, name: str) -> FileResponse:
    """The sheet as a download called `name`; one row is held in memory at a time."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    _write(sheet, file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name, content_type=_CONTENT_TYPE)


def _write(sheet: Table, file: Any) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(file, options) as book:
        page = book.add_worksheet(sheet.title)
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        formats = {key: book.add_format({"num_format": text}) for key, text in _NUMBER_FORMATS.items()}
        page.freeze_panes(1, 1)
        for index, column in enumerate(sheet.columns):
            page.set_column(index, index, _WIDTHS[column.format])
            page.write_string(0, index, column.heading, head)
        cell_formats = [formats.get(column.format) for column in sheet.columns]
        number = 0
        for number, row in enumerate(sheet, 1):
            for index, value in enumerate(row):
                _write_cell(page, number, index, value, cell_formats[index])
        page.autofilter(0, 0, number, len(sheet.columns) - 1)


def _write_cell(page: Any, row: int, column: int, value: Value, cell_format: Any) -> None:
    if value is None or value == "":
        return
    if isinstance(value, str):
        page.write_string(row, column, value, cell_format)
    elif isinstance(value, date):
        page.write_datetime(row, column, value, cell_format)
    else:
        page.write_number(row, column, value, cell_format)

"""The trail as a sheet: a line each, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from risks.enums import Origin, Verb
from risks.exchange.rows import ExportColumn, Format, Value
from risks.queries.activity import Line, Reader, describe, kind_label
from risks.queries.trail import Lines, in_chunks


@dataclass(frozen=True)
class ActivitySheet:
    """Columns, and the lines in their order, described some hundred at a time while they are sent."""

    columns: list[ExportColumn]
    lines: Lines
    reader: Reader
    title: str

    def __iter__(self) -> Iterator[list[Value]]:
        getters: list[Callable[[Line], Value]] = [column.value for column in self.columns]
        for events in in_chunks(self.lines):
            for line in describe(events, self.reader):
                yield [value(line) for value in getters]


def activity_sheet(lines: Lines, *, reader: Reader, registers: Mapping[int, str]) -> ActivitySheet:
    """`registers` names those that are still there, by id. In the language of the moment."""
    acts = {verb.value: str(verb.label) for verb in Verb}
    origins = {origin.value: str(origin.label) for origin in Origin}
    columns = [
        ExportColumn(_("When"), Format.MOMENT, lambda line: timezone.make_naive(line.event.happened_at)),
        ExportColumn(_("Who"), Format.CODE, lambda line: line.who),
        ExportColumn(_("Act"), Format.CODE, lambda line: acts[line.event.verb]),
        ExportColumn(_("Origin"), Format.CODE, lambda line: origins[line.event.origin]),
        ExportColumn(_("About"), Format.CODE, lambda line: kind_label(line.event.object_type)),
        ExportColumn(pgettext("of a thing", "Name"), Format.TEXT, lambda line: line.name),
        ExportColumn(_("Register"), Format.CODE, lambda line: registers.get(line.event.register_id or 0, "")),
        ExportColumn(_("Reason"), Format.TEXT, lambda line: line.reason),
        ExportColumn(
            _("Changes"), Format.TEXT, lambda line: "\n".join(change.text for change in line.changes)
        ),
        ExportColumn(_("Number"), Format.NUMBER, lambda line: line.event.pk),
    ]
    return ActivitySheet(columns, lines, reader, _("Activity"))

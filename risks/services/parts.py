"""Rows that belong to a record of the library: compared before and after, for the line that tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from django.db import models

from risks.models import (
    Matrix,
    MatrixCell,
    MatrixLevel,
    MatrixStep,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    TemplateReference,
)
from risks.services.audit import Changes, values_of


@dataclass(frozen=True)
class Part:
    """One kind of rows. `place` names the fields that tell them apart; without any, their order does."""

    name: str
    model: type[models.Model]
    parent: str
    fields: tuple[str, ...]
    place: tuple[str, ...] = ()
    order: tuple[str, ...] = ("position", "id")


PARTS: dict[type[models.Model], tuple[Part, ...]] = {
    Template: (
        Part("mitigations", TemplateMitigation, "template",
             ("kind", "title_en", "title_zh", "trigger_en", "trigger_zh")),
        Part("indicators", TemplateIndicator, "template",
             ("name_en", "name_zh", "unit_en", "unit_zh", "bad_when", "amber", "red")),
        Part("references", TemplateReference, "template", ("source", "items"), order=("source", "id")),
    ),
    Matrix: (
        Part("steps", MatrixStep, "matrix", ("name_en", "name_zh", "hint_en", "hint_zh", "low", "high"),
             place=("axis", "index"), order=("axis", "index")),
        Part("levels", MatrixLevel, "matrix", ("name_en", "name_zh", "tone", "response_en", "response_zh"),
             place=("level",), order=("level",)),
        Part("cells", MatrixCell, "matrix", ("score", "level"),
             place=("probability", "impact"), order=("probability", "impact")),
    ),
}  # fmt: skip

Row = dict[str, Any]
Content = dict[str, list[tuple[str, Row]]]


def parts_of(record: models.Model) -> Content:
    """The rows that belong to the record as they are stored, by kind: where each stands and what it says."""
    return {part.name: _rows(part, record) for part in PARTS.get(type(record), ())}


def _rows(part: Part, record: models.Model) -> list[tuple[str, Row]]:
    rows = part.model._default_manager.filter(**{part.parent: record}).order_by(*part.order)
    return [
        (".".join(str(getattr(row, name)) for name in part.place) or str(number), values_of(row, part.fields))
        for number, row in enumerate(rows, 1)
    ]


def part_changes(record: models.Model, before: Content, after: Content) -> Changes:
    """What differs, as `<kind>.<place>.<field>`; rows without a place of their own are matched by content."""
    changes: Changes = {}
    for part in PARTS.get(type(record), ()):
        old, new = before.get(part.name, []), after.get(part.name, [])
        for place, was, now in _by_place(old, new) if part.place else _by_content(old, new):
            for name in part.fields:
                pair = [was.get(name), now.get(name)]
                if pair[0] != pair[1] and any(value not in (None, "") for value in pair):
                    changes[f"{part.name}.{place}.{name}"] = pair
    return changes


def _by_place(old: Sequence[tuple[str, Row]], new: Sequence[tuple[str, Row]]) -> list[tuple[str, Row, Row]]:
    before, after = dict(old), dict(new)
    return [(place, before.get(place, {}), after.get(place, {})) for place in {**before, **after}]


def _by_content(old: Sequence[tuple[str, Row]], new: Sequence[tuple[str, Row]]) -> list[tuple[str, Row, Row]]:
    """Pairs of rows that differ; one put in front of the others does not make all of them differ."""
    found: list[tuple[str, Row, Row]] = []
    was_text, now_text = ([repr(sorted(row.items())) for _place, row in rows] for rows in (old, new))
    for tag, first, last, start, end in SequenceMatcher(None, was_text, now_text, False).get_opcodes():
        if tag == "equal":
            continue
        nothing: tuple[str, Row] = ("", {})
        pairs = zip_longest(old[first:last], new[start:end], fillvalue=nothing)
        found += [(now_at or was_at, was, now) for (was_at, was), (now_at, now) in pairs]
    return found

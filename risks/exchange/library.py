"""Risk templates out of and into files, without loss: JSON to keep, CSV to edit in a spreadsheet.

Both hold the same columns. Mitigations, indicators and references are lists in JSON; in CSV they are numbered
columns (`mitigation_1_kind`, `mitigation_1_title_en`, …). A template is known by team and code: an import
changes it or makes a new one. A column that the file does not have is left as it is. Importing an export
changes nothing, and exporting again gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tablib
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.results import Result, RowResult
from import_export.widgets import Widget

from risks.enums import Origin
from risks.exceptions import Invalid
from risks.exchange.library_files import FORMATS, PARTS
from risks.models import (
    Category,
    Team,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    TemplateReference,
)
from risks.rules import Actor
from risks.services.history import Content, record_content, save_changed

_PART_MODELS: dict[str, type[models.Model]] = {
    "mitigations": TemplateMitigation, "indicators": TemplateIndicator, "references": TemplateReference,
}  # fmt: skip
COLUMNS = (
    "team", "code", "category", "subcategory", "title_en", "title_zh",
    "cause_en", "cause_zh", "event_en", "event_zh", "consequence_en", "consequence_zh",
    "strategy", "frequency_kind", "frequency_low", "frequency_high",
    "frequency_reason_en", "frequency_reason_zh",
    "impact_low", "impact_likely", "impact_high", "impact_reason_en", "impact_reason_zh", "is_active", *PARTS,
)  # fmt: skip
_NUMBERS = frozenset({"amber", "red"})
_KEYS = ("team", "code", "category", "subcategory", "strategy", "frequency_kind")


# --- values


class FileWidget(Widget):
    """Between a value and the plain text, number or flag of a file, whatever the reader's language."""

    def __init__(self, **options: Any) -> None:
        super().__init__()  # the options of the library's own widgets mean nothing here


class TextWidget(FileWidget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ValueError(_("A text is expected here, not “%(value)s”.") % {"value": value})
        return value

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value or ""


class NumberWidget(FileWidget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> float | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if isinstance(value, bool) or not math.isfinite(number):
            raise ValueError(
                _("“%(value)s” is not a number. Write 0.2 for 20 %%.") % {"value": str(value)[:40]}
            )
        return number

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> float | int | None:
        return int(value) if value is not None and float(value).is_integer() else value


class FlagWidget(FileWidget):
    values = {"1": True, "true": True, "0": False, "false": False}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool | None:
        if value is None or value == "":
            return None
        key = str(value).strip().lower()
        if key not in self.values:
            raise ValueError(_("Write 1 for yes or 0 for no."))
        return self.values[key]

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> bool:
        return bool(value)


class KeyWidget(Widget):
    """A related row by its key; `find` gets the key and the row of the file."""

    def __init__(self, attribute: str, find: Callable[[str, Any], models.Model | None]) -> None:
        super().__init__()
        self.attribute, self.find = attribute, find

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> models.Model | None:
        if not value:
            return None
        found = self.find(value, row)
        if found is None:
            raise ValueError(_("There is no “%(key)s” here.") % {"key": str(value)[:40]})
        return found

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return getattr(value, self.attribute) if value else ""


class Part(Field):
    """The rows of one kind that belong to a template, as a list of plain objects in their order."""

    def __init__(self, name: str) -> None:
        super().__init__(attribute=name, column_name=name)
        self.model, self.columns = _PART_MODELS[name], PARTS[name]

    def get_value(self, instance: Any) -> list[dict[str, Any]]:
        imported = instance.__dict__.get("imported_parts", {})
        if self.attribute in imported:
            return imported[self.attribute]
        if instance.pk is None:
            return []
        return [
            {name: _widget_of(name).render(getattr(part, name)) for name in self.columns}
            for part in getattr(instance, self.attribute).all()
        ]

    def export(self, instance: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return self.get_value(instance)

    def save(self, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any) -> None:
        items = row[self.column_name] or []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ValueError(_("A list of objects is expected here."))
        parts = [self._clean_item(number, item) for number, item in enumerate(items, 1)]
        instance.__dict__.setdefault("imported_parts", {})[self.attribute] = parts

    def _clean_item(self, number: int, item: dict[str, Any]) -> dict[str, Any]:
        """The item with all its columns; raises ValueError with what is wrong and in which."""
        unknown = set(item) - set(self.columns)
        if unknown:
            raise ValueError(
                _("No. %(number)d: “%(name)s” is not known here.")
                % {"number": number, "name": min(unknown)[:40]}
            )
        try:
            values = {name: _widget_of(name).clean(item.get(name)) for name in self.columns}
            self.model(**values).full_clean(exclude=["template"])
        except ValidationError as error:
            sentences = [
                f"{'' if field == NON_FIELD_ERRORS else field + ': '}{sentence}"
                for field, messages in error.message_dict.items()
                for sentence in messages
            ]
            raise ValueError(_("No. %(number)d:") % {"number": number} + " " + " ".join(sentences)) from None
        except ValueError as error:
            raise ValueError(_("No. %(number)d:") % {"number": number} + f" {error}") from None
        return {name: _widget_of(name).render(value) for name, value in values.items()}

    def write(self, template: Template, items: Sequence[dict[str, Any]]) -> None:
        """Replace the rows by these, in this order."""
        ordered = any(field.name == "position" for field in self.model._meta.fields)
        getattr(template, self.attribute).all().delete()
        self.model._default_manager.bulk_create(
            self.model(template=template, **item, **({"position": position} if ordered else {}))
            for position, item in enumerate(items, 1)
        )


_TEXT, _NUMBER = TextWidget(), NumberWidget()


def _widget_of(name: str) -> Widget:
    return _NUMBER if name in _NUMBERS else _TEXT


# --- templates


class TemplateResource(ModelResource):
    """One row a template. What an import does to each is in its Result; `report` makes sentences of it."""

    WIDGETS_MAP = ModelResource.WIDGETS_MAP | {
        "CharField": TextWidget, "TextField": TextWidget,
        "FloatField": NumberWidget, "BooleanField": FlagWidget,
    }  # fmt: skip
    team = Field(attribute="team", column_name="team")
    category = Field(attribute="category", column_name="category")
    subcategory = Field(attribute="subcategory", column_name="subcategory")
    mitigations, indicators, references = Part("mitigations"), Part("indicators"), Part("references")

    class Meta:
        model = Template
        fields = COLUMNS
        import_id_fields = ("team", "code")
        use_transactions = True
        clean_model_instances = True
        skip_unchanged = report_skipped = store_instance = skip_html_diff = True

    def __init__(self, by: Actor | None = None) -> None:
        super().__init__()
        self._by = (by or Actor.system(None)).by_way_of(Origin.IMPORT)
        self._teams: dict[str, Team] = {}
        self._categories: dict[tuple[str, str, str], Category] = {}
        self._seen: set[tuple[str, str]] = set()
        self.fields["team"].widget = KeyWidget("slug", lambda key, row: self._teams.get(key))
        self.fields["category"].widget = KeyWidget(
            "key", lambda key, row: self._category(row["team"], "", key)
        )
        self.fields["subcategory"].widget = KeyWidget(
            "key", lambda key, row: self._category(row["team"], row["category"], key)
        )

    def _category(self, team: str, parent: str, key: str) -> Category | None:
        """The team's own where it has one, else the product's."""
        return self._categories.get((team, parent, key)) or self._categories.get(("", parent, key))

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        self._seen.clear()
        self._teams = {team.slug: team for team in Team.objects.all()}
        self._categories = {
            (c.team.slug if c.team else "", c.parent.key if c.parent else "", c.key): c
            for c in Category.objects.select_related("team", "parent")
        }

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        for name in _KEYS:
            if isinstance(row.get(name), str):
                row[name] = row[name].strip()
        for name in {"team", "code", "category", "subcategory"} & set(row):
            try:
                row[name] = _TEXT.clean(row[name])
            except ValueError as error:
                raise ValidationError({name: str(error)}) from None
        if row["team"] and row["team"] not in self._teams:
            raise ValidationError({"team": _("There is no “%(key)s” here.") % {"key": row["team"][:40]}})
        if (row["team"], row["code"]) in self._seen:
            raise ValidationError({"code": _("This code stands in the file twice; keep one of them.")})
        self._seen.add((row["team"], row["code"]))

    def do_instance_save(self, instance: Template, is_create: bool) -> None:
        before, by = Content.of(instance), replace(self._by, team_id=instance.team_id)
        save_changed(instance, before, by=by)
        for name, items in instance.__dict__.get("imported_parts", {}).items():
            self.fields[name].write(instance, items)
        record_content(instance, before, by=by)


def exported(templates: models.QuerySet[Template]) -> models.QuerySet[Template]:
    """The templates in the order of an export, with all that it writes."""
    return (
        templates.select_related("team", "category", "subcategory")
        .prefetch_related(
            "mitigations",
            "indicators",
            models.Prefetch("references", TemplateReference.objects.order_by("source", "id")),
        )
        .order_by(Coalesce("team__slug", models.Value("")), "code")
    )


def write_templates(format_name: str, templates: models.QuerySet[Template]) -> bytes:
    return FORMATS[format_name].write(TemplateResource().export(exported(templates)))


def read_templates(format_name: str, data: bytes) -> tablib.Dataset:
    """The rows of a file; raises Invalid with what to do about a file that is not of the format."""
    try:
        dataset = FORMATS[format_name].read(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Invalid(_("This file is not UTF-8 text. Save it as UTF-8 and choose it again.")) from None
    headers = dataset.headers or []
    unknown = [name for name in headers if name not in COLUMNS]
    if unknown:
        raise Invalid(_("The column “%(name)s” is not known here.") % {"name": unknown[0][:40]})
    if len(set(headers)) < len(headers):
        raise Invalid(_("A column stands in the file twice; keep one of them."))
    if "code" not in headers or not len(dataset):
        raise Invalid(
            _("There is no template in this file. It needs at least the column “code” and one row.")
        )
    if ("category" in headers) != ("subcategory" in headers):
        raise Invalid(_("Give both columns, “category” and “subcategory”, or neither."))
    if "team" not in headers:
        dataset.append_col([""] * len(dataset), header="team")
    return dataset


def import_templates(dataset: tablib.Dataset, *, by: Actor, dry_run: bool) -> tuple[Result, list[RowReport]]:
    """Write the rows, all or none; with `dry_run` none. The result's rows hold the templates as they are."""
    resource = TemplateResource(by)
    result = resource.import_data(
        dataset, dry_run=dry_run, rollback_on_validation_errors=True, raise_errors=False
    )
    return result, list(_report(resource, dataset, result))


# --- what an import does


@dataclass(frozen=True)
class Change:
    column: str
    before: str
    after: str


@dataclass(frozen=True)
class RowReport:
    """What happens to one row: `kind` is new, update, skip, invalid or error."""

    number: int
    code: str
    title: str
    kind: str
    changes: list[Change]
    errors: list[str]


def _report(resource: TemplateResource, dataset: tablib.Dataset, result: Result) -> Iterable[RowReport]:
    for number, (row, outcome) in enumerate(zip(dataset.dict, result.rows, strict=False), 1):
        yield RowReport(
            number=number,
            code=str(row.get("code") or ""),
            title=str(row.get("title_en") or row.get("title_zh") or getattr(outcome.instance, "title", "")),
            kind=outcome.import_type,
            changes=_changes(resource, outcome) if outcome.is_update() else [],
            errors=_errors(outcome),
        )


def _changes(resource: TemplateResource, outcome: RowResult) -> list[Change]:
    pairs = [
        (name, field.export(outcome.original), field.export(outcome.instance))
        for name, field in resource.fields.items()
    ]
    return [Change(name, readable(old), readable(new)) for name, old, new in pairs if old != new]


def readable(value: Any) -> str:
    """A value of a file as text for people: lists line by line, without empty fields."""
    if isinstance(value, list):
        return "\n".join(" · ".join(str(v) for v in item.values() if v not in ("", None)) for item in value)
    return "" if value is None else str(value)


def _errors(outcome: RowResult) -> list[str]:
    if outcome.validation_error is None:
        return [str(error.error) for error in outcome.errors]
    if not hasattr(outcome.validation_error, "error_dict"):
        return list(outcome.validation_error.messages)
    return [
        sentence if field == NON_FIELD_ERRORS else f"{field}: {sentence}"
        for field, sentences in outcome.validation_error.message_dict.items()
        for sentence in sentences
    ]

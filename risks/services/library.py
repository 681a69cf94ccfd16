"""The library that comes with the product, and making entries of one's own from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.db import transaction

from risks.enums import Axis, Level, Tone, Verb
from risks.models import (
    Category,
    Matrix,
    MatrixCell,
    MatrixLevel,
    MatrixStep,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    TemplateReference,
)
from risks.quant.matrix import problems
from risks.queries.matrix import load_matrix
from risks.rules import Actor
from risks.services.audit import record, reference_to
from risks.services.copies import copy_parts
from risks.services.history import save_recorded, save_tracked
from risks.services.matrix import describe_problems

INSTALLATION = Actor.system(None)
FIXTURES: Path = settings.BASE_DIR / "fixtures"


def read_fixture(name: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C where there is one: 8 times faster
    return yaml.load((FIXTURES / name).read_text("utf-8"), Loader=loader)  # noqa: S506 - both are safe  # nosec B506


def both(text: Mapping[str, str] | None, name: str) -> dict[str, str]:
    """`{en, zh}` of a fixture as the two columns of a translated field."""
    text = text or {}
    return {f"{name}_en": text.get("en", ""), f"{name}_zh": text.get("zh", "")}


@transaction.atomic
def load_library() -> dict[str, int]:
    """Add the product's own categories, matrices and templates where they are missing.

    What is there already stays as it is, so that edits made in the admin site survive an update.
    Returns how many of each were added.
    """
    categories = _load_taxonomy(read_fixture("taxonomy.yaml")["categories"])
    matrices = [_load_matrix(entry) for entry in read_fixture("matrices.yaml")["matrices"]]
    templates = [_load_template(entry) for entry in read_fixture("templates.yaml")["templates"]]
    return {"categories": categories, "matrices": sum(matrices), "templates": sum(templates)}


def _load_taxonomy(entries: list[dict[str, Any]]) -> int:
    added = 0
    for position, entry in enumerate(entries, 1):
        category, new = _load_category(entry, None, entry.get("tone", Tone.GREY), position)
        added += new
        for place, sub in enumerate(entry["subcategories"], 1):
            added += _load_category(sub, category, category.tone, place)[1]
    return added


def _load_category(
    entry: dict[str, Any], parent: Category | None, tone: str, position: int
) -> tuple[Category, bool]:
    found = Category.objects.filter(team=None, parent=parent, key=entry["key"]).first()
    if found:
        return found, False
    texts: dict[str, str] = {}
    for name in ("name", "description", "response"):
        texts |= both(entry.get(name), name)
    category = Category(parent=parent, key=entry["key"], tone=tone, position=position, **texts)
    save_recorded(category, by=INSTALLATION)
    return category, True


def _load_matrix(entry: dict[str, Any]) -> bool:
    if Matrix.objects.filter(team=None, key=entry["key"]).exists():
        return False
    matrix = Matrix(
        key=entry["key"],
        is_default=entry.get("default", False),
        **both(entry["name"], "name"),
        **both(entry["description"], "description"),
    )
    save_recorded(matrix, by=INSTALLATION)
    MatrixStep.objects.bulk_create(
        MatrixStep(
            matrix=matrix, axis=axis, index=index, low=step["low"], high=step["high"],
            **both(step["name"], "name"), **both(step["hint"], "hint"),
        )
        for axis in Axis.values
        for index, step in enumerate(entry[axis], 1)
    )  # fmt: skip
    MatrixLevel.objects.bulk_create(
        MatrixLevel(
            matrix=matrix, level=Level[level["level"].upper()], tone=level["tone"],
            **both(level["name"], "name"), **both(level["response"], "response"),
        )
        for level in entry["levels"]
    )  # fmt: skip
    MatrixCell.objects.bulk_create(_cells(matrix, entry))
    loaded = load_matrix(matrix)
    wrong = describe_problems(problems(loaded.grid, loaded.levels))
    if wrong:
        raise ValueError(f"{entry['key']}: {wrong}")
    return True


def _cells(matrix: Matrix, entry: dict[str, Any]) -> list[MatrixCell]:
    cells = []
    for p in range(1, len(entry["probability"]) + 1):
        for i in range(1, len(entry["impact"]) + 1):
            score = p + i if entry["score"] == "sum" else p * i
            level = next(band["level"] for band in entry["bands"] if score <= band["up_to"])
            cells.append(
                MatrixCell(matrix=matrix, probability=p, impact=i, score=score, level=Level[level.upper()])
            )
    return cells


def _load_template(entry: dict[str, Any]) -> bool:
    if Template.objects.filter(team=None, code=entry["code"]).exists():
        return False
    category = Category.objects.get(team=None, parent=None, key=entry["category"])
    frequency, impact = entry["frequency"], entry["impact"]
    template = Template(
        code=entry["code"],
        category=category,
        subcategory=Category.objects.get(team=None, parent=category, key=entry["subcategory"]),
        strategy=entry["strategy"],
        frequency_kind=frequency["kind"],
        frequency_low=frequency["low"],
        frequency_high=frequency["high"],
        impact_low=impact["low"],
        impact_likely=impact["likely"],
        impact_high=impact["high"],
        **both(frequency["reason"], "frequency_reason"),
        **both(impact["reason"], "impact_reason"),
        **{
            k: v
            for name in ("title", "cause", "event", "consequence")
            for k, v in both(entry[name], name).items()
        },
    )
    save_recorded(template, by=INSTALLATION)
    TemplateMitigation.objects.bulk_create(
        TemplateMitigation(
            template=template, position=position, kind=item["kind"],
            **both(item["title"], "title"), **both(item.get("trigger"), "trigger"),
        )
        for position, item in enumerate(entry["mitigations"], 1)
    )  # fmt: skip
    TemplateIndicator.objects.bulk_create(
        TemplateIndicator(
            template=template, position=position, amber=item["amber"], red=item["red"],
            bad_when=item["bad_when"], **both(item["name"], "name"), **both(item["unit"], "unit"),
        )
        for position, item in enumerate(entry["indicators"], 1)
    )  # fmt: skip
    TemplateReference.objects.bulk_create(
        TemplateReference(template=template, source=item["label"], items=", ".join(item["items"]))
        for item in entry["references"]
    )
    return True


@transaction.atomic
def duplicate_template(template: Template, *, by: Actor) -> Template:
    """A copy with all its parts under the next free code, not offered until somebody switches it on."""
    copy = Template.objects.get(pk=template.pk)
    copy.pk, copy._state.adding, copy.is_active = None, True, False
    taken = set(Template.objects.filter(team=template.team).values_list("code", flat=True))
    copy.code = next(code for n in range(2, 10_000) if (code := f"{template.code[:16]}-{n}") not in taken)
    save_tracked(copy, by=by)
    for model in (TemplateMitigation, TemplateIndicator, TemplateReference):
        copy_parts(model, "template", template, copy)
    record(Verb.CREATED, copy, by=by, changes={"copy_of": [None, reference_to(template)]})
    return copy

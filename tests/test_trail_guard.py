"""No code path writes a table that keeps its history past it: looked for in the source and at run time.

The second net is the fixture `_no_write_past_the_history` of conftest, which is in every test of the suite.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from risks.models import Category, Membership, Mitigation, Risk, Template
from risks.rules import Actor
from risks.services.history import save_tracked, update_tracked
from tests.rows import change, create, remove
from tests.trail_guard import Writes, differences, tracked_models

SOURCE = settings.BASE_DIR
THE_ONE = "risks/services/history.py"
WRITES = {
    "update", "bulk_update", "bulk_create", "update_or_create", "get_or_create", "raw", "_raw_delete",
    "aupdate", "abulk_create", "abulk_update", "aupdate_or_create", "aget_or_create", "acreate", "_update",
    "_insert",
}  # fmt: skip
COLUMNS = {
    "Risk": {"comment_count", "attachment_count", "link_count"},  # counted, no facts of the risk
    "Register": {"next_number"},
}
ROWS = {
    "objects", "_default_manager", "_base_manager", "filter", "exclude", "all", "risks", "mitigations",
    "memberships", "registers", "templates", "categories",
}  # fmt: skip
"""Names in a chain that make it one of rows, though the source does not say of which model."""
TABLES = sorted(tracked_models())
SQL = re.compile(
    rf'(?i)\b(?:insert\s+(?:or\s+\w+\s+)?into|update|delete\s+from|truncate(?:\s+table)?)\s+"?(?:{"|".join(TABLES)})\b'
)
MODELS = {model.__name__ for app in apps.get_app_configs() for model in app.get_models()}
TRACKED = {model.__name__ for model in tracked_models().values()}


def offences(source: str, name: str = "module.py") -> list[str]:
    """Calls that write rows of a tracked model, or of one that cannot be told."""
    tree, found = ast.parse(source), []
    variables = _variables(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
            found.append(f"{name}:{node.lineno}: SQL that writes a table with a history")
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method, keywords = node.func.attr, {keyword.arg for keyword in node.keywords}
        if method not in WRITES or (method == "update" and not keywords):
            continue  # a dict's update takes no names
        chain = _chain(node.func.value)
        models = {chain[0]} & MODELS or variables.get(chain[0], set())
        counted = {column for model in models or COLUMNS for column in COLUMNS.get(model, ())}
        if method == "update" and keywords <= counted:
            continue
        if models & TRACKED or (not models and (method != "update" or ROWS & set(chain))):
            found.append(f"{name}:{node.lineno}: {ast.unparse(node)[:90]}")
    return found


def _variables(tree: ast.AST) -> dict[str, set[str]]:
    """The models whose rows the variables hold, as far as the source names them."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            first = _chain(node.value)[0]
            if first in MODELS:
                found.setdefault(node.targets[0].id, set()).add(first)
    return found


def _chain(node: ast.AST) -> list[str]:
    """The names along `Model.objects.filter(…)`, the first first."""
    names: list[str] = []
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            return [*reversed([*names, node.id])]
        else:
            return [*reversed([*names, "?"])]


def python_files() -> list[Path]:
    return sorted(
        path for path in (SOURCE / "risks").rglob("*.py") if "migrations" not in path.parts
    ) + sorted((SOURCE / "riskreg").rglob("*.py"))  # fmt: skip


KNOWN = {
    # Rows of parts, whose model is a variable: never a tracked one.
    "risks/admin/matrix.py": "model._default_manager.bulk_create((row for row in rows",
    "risks/exchange/library.py": "self.model._default_manager.bulk_create(",
    # Of a register removed for good the versions go too, and the trail keeps that it was there.
    "risks/services/register_life.py": "rows._raw_delete(rows.db)",
    "risks/services/copies.py": "model._default_manager.bulk_create(parts)",
}


def test_source_writes_tracked_models_in_one_module_only():
    found = []
    for path in python_files():
        name = str(path.relative_to(SOURCE))
        if name != THE_ONE:
            found += [
                line for line in offences(path.read_text(), name) if KNOWN.get(name, "?") not in line
            ]  # fmt: skip

    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "Risk.objects.filter(pk=1).update(title_en='x')",
        "Risk.objects.filter(pk=1).update(comment_count=1, state='open')",
        "Register.objects.filter(pk=1).update(name_en='x')",
        "Mitigation.objects.bulk_create([])",
        "Template._default_manager.bulk_update(rows, ['code'])",
        "mine = Risk.objects.filter(pk=1); mine.update(owner=None)",
        "Membership.objects.update_or_create(team=1, defaults={})",
        "scope.risks().update(state='open')",
        "risk.mitigations.update(owner=None)",
        "risk.mitigations.filter(state='done').update(owner=None)",
        "model._default_manager.bulk_update(rows, fields)",
        "cursor.execute('UPDATE risks_risk SET code = %s')",
        "cursor.execute('delete from \"risks_matrix\"')",
        "cursor.execute(f'INSERT INTO risks_register (id) VALUES ({x})')",
    ],
)
def test_source_that_writes_past_the_history_is_found(source):
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "Risk.objects.filter(pk=1).update(comment_count=F('comment_count') + 1)",
        "Register.objects.filter(pk=1).update(next_number=2)",
        "Notice.objects.filter(pk=1).update(read_at=now)",
        "mine = Notice.objects.filter(pk=1); mine.filter(pk=2).update(read_at=now)",
        "risks.filter(pk=1).update(link_count=F('link_count') - 1)",
        "values.update({'a': 1})",
        "context.update(other)",
        "digest.update(b'')",
        "cursor.execute('SELECT * FROM risks_risk')",
    ],
)
def test_source_that_may_write_is_let_through(source):
    assert offences(source) == []


# --- at run time

SQL_UPDATE = "UPDATE risks_category SET position = 9 WHERE key = 'technical'"


@pytest.fixture
def one(db):
    return Category.objects.get(key="technical")


def written(act) -> list[str]:
    writes = Writes()
    with connection.execute_wrapper(writes):
        act()
    return writes.past_history()


@pytest.mark.past_history("shows that the guard sees it")
@pytest.mark.parametrize(
    ("act", "finding"),
    [
        (lambda row: Category.objects.filter(pk=row.pk).update(name_en="X"),
         "Category {pk} differs from its newest version: name_en"),
        (lambda row: connection.cursor().execute(SQL_UPDATE),
         "Category {pk} differs from its newest version: position"),
        (lambda row: Category.objects.bulk_update([_changed(row)], ["key"]),
         "Category {pk} differs from its newest version: key"),
        (lambda row: Category.objects.bulk_create([Category(pk=777, key="x", name_en="X")]),
         "Category 777 has no version"),
        (lambda row: create(Category, pk=778, key="y", name_en="Y") and _delete_past(778),
         "Category 778 is gone without a version"),
    ],
    ids=["update", "sql", "bulk_update", "bulk_create", "delete"],
)  # fmt: skip
def test_guard_finds_every_way_past_the_history(one, act, finding):
    assert written(lambda: act(one)) == [finding.format(pk=one.pk)]


def _changed(row):
    row.key = "changed"
    return row


def _delete_past(pk):
    rows = Category.objects.filter(pk=pk)
    rows._raw_delete(rows.db)


def test_guard_is_content_with_writes_through_the_history(one):
    def act():
        one.name_en = "X"
        save_tracked(one, by=Actor.system(None))
        change(Category.objects.filter(key="market"), name_en="Y")
        create(Category, pk=779, key="z", name_en="Z")
        remove(Category.objects.filter(pk=779))

    assert written(act) == []


def test_guard_looks_at_nothing_if_nothing_was_written(one, count_queries):
    writes = Writes()
    with connection.execute_wrapper(writes):
        list(Category.objects.all())

    assert (writes.tables, count_queries(writes.past_history)) == (set(), 0)


@pytest.mark.past_history("the plain write is refused only after it is done")
@pytest.mark.parametrize("model", [Risk, Mitigation, Template, Membership], ids=lambda m: m.__name__)
def test_plain_save_and_delete_are_refused(make_risk, make_mitigation, model):
    make_mitigation(make_risk())
    row = model.objects.first()

    with pytest.raises(TypeError, match=r"through services\.history"):
        row.save()
    with pytest.raises(TypeError, match=r"through services\.history"):
        row.delete()


def test_every_version_says_who_wrote_it_and_why(cast, make_risk):
    risk = make_risk()
    risk.title_en = "Renamed"
    update_tracked([risk], ["title_en"], by=cast.actor(cast.manager), reason="Because")
    version = Risk.history.filter(id=risk.pk).first()

    assert (version.title_en, version.history_user, version.history_change_reason, version.history_type) == (
        "Renamed", cast.manager, "Because", "~",
    )  # fmt: skip
    assert differences(Risk) == []

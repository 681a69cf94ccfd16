"""Full-text index of risks: FTS5 on SQLite, a GIN-indexed tsvector on PostgreSQL, the same words in both.

Latin text is split into words; every Chinese character is a word of its own, so that a phrase of characters
finds any run of them without a dictionary. The table is made by migration 0002 and written by the services.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from risks.models.risk import Risk, RiskQuerySet

TABLE = "risks_search"
_CHINESE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_WORDS = re.compile(rf"[{_CHINESE}]|[^\W_{_CHINESE}]+")
TEXTS = ("code", "title_en", "title_zh", "cause_en", "cause_zh", "event_en", "event_zh",
          "consequence_en", "consequence_zh")  # fmt: skip


def words(text: str) -> list[str]:
    return _WORDS.findall(text.casefold())


def index_risks(risks: Iterable[Risk]) -> None:
    """Write the index rows of saved risks, replacing older ones."""
    rows = [(risk.pk, " ".join(words(" ".join(getattr(risk, name) for name in TEXTS)))) for risk in risks]
    if connection.vendor == "postgresql":
        sql = (
            f"INSERT INTO {TABLE} (id, body) VALUES (%s, to_tsvector('simple', %s)) "  # noqa: S608
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
        )
    else:
        sql = f"INSERT OR REPLACE INTO {TABLE} (rowid, body) VALUES (%s, %s)"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def unindex_risk(risk_id: int) -> None:
    column = "id" if connection.vendor == "postgresql" else "rowid"
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE {column} = %s", [risk_id])  # noqa: S608


def clear_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608


def search_risks(risks: QuerySet[Risk], text: str) -> RiskQuerySet:
    """Those of `risks` that hold all terms of `text`; the last word of a term may be its beginning only."""
    terms = [found for found in (words(term) for term in text.split()) if found]
    if not terms:
        return risks.none() if text.strip() else risks  # type: ignore[return-value]
    if connection.vendor == "postgresql":
        query = " & ".join("(" + " <-> ".join([*term[:-1], term[-1] + ":*"]) + ")" for term in terms)
        match = RawSQL(f"SELECT id FROM {TABLE} WHERE body @@ to_tsquery('simple', %s)", [query])  # noqa: S608, S611
    else:
        query = " ".join('"' + " ".join(term) + '"*' for term in terms)
        match = RawSQL(f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s", [query])  # noqa: S608, S611
    return risks.filter(pk__in=match)  # type: ignore[return-value]

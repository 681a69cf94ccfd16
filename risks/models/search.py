"""Full-text index of risks: FTS5 on SQLite, a GIN-indexed tsvector on PostgreSQL, the same words in both.

Latin text is split into words; every Chinese character is a word of its own, so that a phrase of characters
finds any run of them without a dictionary. The table is made by migration 0002 and written by the services.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db import connection
from django.db.models.expressions import RawSQL

from risks.models.risk import Risk, RiskQuerySet

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
            "INSERT INTO risks_search (id, body) VALUES (%s, to_tsvector('simple', %s)) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
        )
    else:
        sql = "INSERT OR REPLACE INTO risks_search (rowid, body) VALUES (%s, %s)"
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def unindex_risk(risk_id: int) -> None:
    if connection.vendor == "postgresql":
        sql = "DELETE FROM risks_search WHERE id = %s"
    else:
        sql = "DELETE FROM risks_search WHERE rowid = %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [risk_id])


def clear_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM risks_search")


def search_risks(risks: RiskQuerySet, text: str) -> RiskQuerySet:
    """Those of `risks` that hold all terms of `text`; the last word of a term may be its beginning only."""
    terms = [found for found in (words(term) for term in text.split()) if found]
    if not terms:
        return risks.none() if text.strip() else risks
    if connection.vendor == "postgresql":
        sql = "SELECT id FROM risks_search WHERE body @@ to_tsquery('simple', %s)"
        query = " & ".join("(" + " <-> ".join([*term[:-1], term[-1] + ":*"]) + ")" for term in terms)
    else:
        sql = "SELECT rowid FROM risks_search WHERE risks_search MATCH %s"
        query = " ".join('"' + " ".join(term) + '"*' for term in terms)
    return risks.filter(pk__in=RawSQL(sql, [query]))  # noqa: S611 - the text is bound, and only words

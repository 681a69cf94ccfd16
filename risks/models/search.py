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
    rows = [
        (risk.pk, risk.team_id, risk.register_id, " ".join(words(" ".join(getattr(risk, n) for n in TEXTS))))
        for risk in risks
    ]
    if connection.vendor == "postgresql":
        sql = (
            "INSERT INTO risks_search (id, team_id, register_id, body) "
            "VALUES (%s, %s, %s, to_tsvector('simple', %s)) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
        )
    else:
        sql = "INSERT OR REPLACE INTO risks_search (rowid, scope, body) VALUES (%s, %s, %s)"
        rows = [(pk, f"t{team} r{register}", body) for pk, team, register, body in rows]  # type: ignore[misc]
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)


def unindex_risk(risk_id: int) -> None:
    if connection.vendor == "postgresql":
        sql = "DELETE FROM risks_search WHERE id = %s"
    else:
        sql = "DELETE FROM risks_search WHERE rowid = %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [risk_id])


def unindex_register(register_id: int) -> None:
    """Take all risks of a register out of the index, while they are still in their table."""
    key = "id" if connection.vendor == "postgresql" else "rowid"
    sql = f"DELETE FROM risks_search WHERE {key} IN (SELECT id FROM risks_risk WHERE register_id = %s)"  # noqa: S608  # nosec B608 - constants
    with connection.cursor() as cursor:
        cursor.execute(sql, [register_id])


def clear_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM risks_search")


def search_risks(risks: RiskQuerySet, text: str) -> RiskQuerySet:
    """Those of `risks` that hold all terms of `text`; the last word of a term may be its beginning only."""
    terms = _terms(text)
    if not terms:
        return risks.none() if text.strip() else risks
    if connection.vendor == "postgresql":
        sql = "SELECT id FROM risks_search WHERE body @@ to_tsquery('simple', %s)"
    else:
        sql = "SELECT rowid FROM risks_search WHERE risks_search MATCH %s"
    return risks.filter(pk__in=RawSQL(sql, [_query(terms)]))  # noqa: S611  # nosec B611 - bound, and only words


def count_risks(text: str, *, team_id: int, register_id: int | None = None) -> int:
    """How many risks of the team, or of one of its registers, `search_risks` finds: from the index alone."""
    terms = _terms(text)
    if not terms:
        return 0
    params: tuple[str | int, ...]
    if connection.vendor == "postgresql":
        scope = "team_id = %s" if register_id is None else "register_id = %s"
        sql = f"SELECT count(*) FROM risks_search WHERE body @@ to_tsquery('simple', %s) AND {scope}"  # noqa: S608  # nosec B608 - constants
        params = (_query(terms), register_id or team_id)
    else:
        word = f"t{team_id}" if register_id is None else f"r{register_id}"
        sql = "SELECT count(*) FROM risks_search WHERE risks_search MATCH %s"
        params = (f'scope : "{word}" AND ({_query(terms)})',)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.fetchone()[0])


def _terms(text: str) -> list[list[str]]:
    return [found for found in (words(term) for term in text.split()) if found]


def _query(terms: list[list[str]]) -> str:
    """The terms in the language of the database's index: words only, nothing that means more there."""
    if connection.vendor == "postgresql":
        return " & ".join("(" + " <-> ".join([*term[:-1], term[-1] + ":*"]) + ")" for term in terms)
    return " AND ".join('body : "' + " ".join(term) + '"*' for term in terms)

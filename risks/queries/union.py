"""Several small reads in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

MAX_PARTS = 400
"""Of one statement; SQLite allows 500."""


def union_all(querysets: Iterable[QuerySet[Any, Any]]) -> list[tuple[Any, ...]]:
    """The rows of all querysets, which name the same number of columns by `values_list`.

    Unlike `QuerySet.union()` each keeps its own order and limit on every database. The values come as the
    database gives them: take ids and counts, not dates.
    """
    parts, params = [], []
    for queryset in querysets:
        try:
            sql, its_params = queryset.query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append(f"SELECT * FROM ({sql}) AS part")  # noqa: S608 - made by Django, values are parameters
        params += its_params
    return execute(" UNION ALL ".join(parts), params) if parts else []


def execute(sql: str, params: Iterable[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        return cursor.fetchall()

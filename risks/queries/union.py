"""Several small reads in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

MAX_PARTS = 400
"""Of one statement; SQLite allows 500."""


def read_ids(
    sought: Mapping[str, QuerySet[Any, Any]], counted: Mapping[str, QuerySet[Any, Any]]
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """The ids of some querysets, each in its own order and with its own limit, and the lengths of others.

    One query, which Django's `union()` would not allow on SQLite. Each names one column of ids by `values`.
    """
    ids: dict[str, list[int]] = {name: [] for name in sought}
    counts = dict.fromkeys(counted, 0)
    parts: list[str] = []
    params: list[Any] = []
    for is_id, what, named in ((1, "part.*", sought), (0, "COUNT(*)", counted)):
        for name, queryset in named.items():
            try:
                sql, its_params = queryset.query.sql_with_params()
            except EmptyResultSet:
                continue
            # The statement is made by Django; names and values are parameters.
            parts.append(f"SELECT {is_id}, CAST(%s AS varchar(40)), {what} FROM ({sql}) AS part")  # noqa: S608  # nosec B608
            params += [name, *its_params]
    for is_id, name, number in execute(" UNION ALL ".join(parts), params) if parts else []:
        if is_id:
            ids[name].append(number)
        else:
            counts[name] = number
    return ids, counts


def execute(sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()

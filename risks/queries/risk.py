"""What the page of one risk reads, and what a new one is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.db import connection
from django.db.models import Model, Prefetch

from risks.enums import Kind
from risks.models import (
    Acceptance,
    Assessment,
    AuditEvent,
    Category,
    Mitigation,
    Risk,
    Team,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    User,
)
from risks.models.search import words
from risks.queries.as_of import mitigations_at, row_of
from risks.queries.risk_list import people_by_id

ASSESSMENTS_SHOWN = 100
EVENTS_SHOWN = 20
MITIGATIONS_SHOWN = 100
_TERMS = 12
"""Words of a title that count; more say nothing more."""
_CANDIDATES = 40
_ALIKE = 0.3

T = TypeVar("T")


# --- one risk


def read_assessments(risk: Risk, until: datetime | None = None) -> list[Assessment]:
    """The newest assessments of all kinds, oldest first; `until`: made before this moment. One query."""
    newest = Assessment.objects.filter(risk=risk).order_by("-assessed_at", "-id")
    if until:
        newest = newest.filter(assessed_at__lt=until)
    return list(newest[:ASSESSMENTS_SHOWN])[::-1]


def net_movement(assessments: Iterable[Assessment], since: datetime) -> int:
    """Change of the residual rank since the moment: above zero is worse."""
    return sum(each.delta for each in assessments if each.kind == Kind.RESIDUAL and each.assessed_at >= since)


@dataclass(frozen=True)
class Activity:
    """A page of what was done to a risk, newest first; pages begin at 1."""

    events: Sequence[AuditEvent]
    page: int
    has_older: bool


def read_activity(risk: Risk, page: int, until: datetime | None = None) -> Activity:
    """`until`: what happened before this moment. One query."""
    first = (page - 1) * EVENTS_SHOWN
    events = AuditEvent.objects.filter(risk=risk).order_by("-happened_at", "-id")
    if until:
        events = events.filter(happened_at__lt=until)
    found = list(events[first : first + EVENTS_SHOWN + 1])
    return Activity(found[:EVENTS_SHOWN], page, len(found) > EVENTS_SHOWN)


def running_acceptance(risk: Risk, until: datetime | None = None) -> Acceptance | None:
    """The one that holds now, or held just before the moment."""
    return Acceptance.objects.running(until).filter(risk=risk).order_by("pk").first()


def read_mitigations(risk: Risk, until: datetime | None = None) -> list[Mitigation]:
    """The risk's mitigations, pending and late before the rest, now or just before the moment. One query."""
    found = mitigations_at(until, risk=risk.pk) if until else Mitigation.objects.filter(risk=risk)
    mitigations = list(found.late_first()[:MITIGATIONS_SHOWN])
    if until:
        mitigations = [row_of(Mitigation, version) for version in mitigations]
    for mitigation in mitigations:
        mitigation.risk = risk
    return mitigations


def load_people(
    *named: tuple[Iterable[Model], str], also: Iterable[int] = (), team_id: int | None = None
) -> dict[int, User]:
    """Fetch whom the rows name by a field, for all of them in one query: a join in each would cost more.

    Returns them by id, with those of the ids `also`.
    """
    pairs = [(row, name) for rows, name in named for row in rows]
    named_ids = {pk for row, name in pairs if (pk := getattr(row, f"{name}_id"))}
    people = people_by_id(named_ids.union(also), team_id)
    for row, name in pairs:
        setattr(row, name, people.get(getattr(row, f"{name}_id")))
    return people


# --- titles alike


def _terms(title: str) -> list[str]:
    """Words of a title to compare by: Latin words, and pairs of neighbouring Chinese characters."""
    found: list[str] = []
    before = ""
    for word in words(title):
        chinese = word if len(word) == 1 and word > "\u2e80" else ""
        if not chinese:
            found.append(word)
        elif before:
            found.append(before + chinese)
        before = chinese
    long = [term for term in found if len(term) > 2 or not term.isascii()]
    return list(dict.fromkeys(long or [term for term in found if len(term) > 1]))[:_TERMS]


def rank_by_title(title: str, items: Sequence[T], text_of: Callable[[T], str]) -> list[tuple[float, T]]:
    """Items that share words with the title, the most alike first, with the share of it they hold (0–1).

    A word counts for more the fewer items hold it; one being typed matches by its beginning.
    """
    terms = _terms(title)
    known = [_terms(text_of(item)) for item in items]
    held = [{term for term in terms if any(each.startswith(term) for each in own)} for own in known]
    frequency = Counter(term for found in held for term in found)
    weights = {term: 1 / (1 + frequency[term]) for term in terms}
    total = sum(weights.values()) or 1
    scores = [sum(weights[term] for term in found) / total for found in held]
    scored = zip(scores, items, strict=True)
    return sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: -pair[0])


def similar_risks(team: Team, title: str, limit: int = 5) -> list[Risk]:
    """The team's risks whose titles are most like this one. Two queries at most, none without words."""
    terms = _terms(title)
    if not terms:
        return []
    ids = _matching(team, terms)
    risks = list(Risk.objects.filter(pk__in=ids).select_related("register")) if ids else []
    ranked = rank_by_title(title, risks, lambda risk: f"{risk.title_en} {risk.title_zh}")
    return [risk for score, risk in ranked if score >= _ALIKE][:limit]


def _matching(team: Team, terms: Sequence[str]) -> list[int]:
    """Ids of the team's risks that hold any of the terms, best first by the index's own ranking."""
    if connection.vendor == "postgresql":
        query = " | ".join(f"({' <-> '.join(words(term))}:*)" for term in terms)
        sql = (
            "SELECT id FROM risks_search, to_tsquery('simple', %s) AS query "
            "WHERE body @@ query AND team_id = %s ORDER BY ts_rank(body, query) DESC, id DESC LIMIT %s"
        )
        params: list[str | int] = [query, team.pk, _CANDIDATES]
    else:
        query = " OR ".join(f'"{" ".join(words(term))}"*' for term in terms)
        sql = (
            "SELECT rowid FROM risks_search WHERE risks_search MATCH %s "
            "ORDER BY bm25(risks_search, 0.0, 1.0), rowid DESC LIMIT %s"
        )
        params = [f'scope : "t{team.pk}" AND body : ({query})', _CANDIDATES]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [pk for (pk,) in cursor.fetchall()]


# --- templates


def offered_templates(team: Team) -> list[Template]:
    """Every template the team may use, in the order of the taxonomy, without its parts. One query."""
    return list(
        Template.objects.available_to(team)
        .select_related("category")
        .only("code", "title_en", "title_zh", "category__name_en", "category__name_zh", "category__position")
        .order_by("category__position", "category_id", "code")
    )


def suggest_templates(templates: Sequence[Template], title: str, limit: int = 8) -> list[Template]:
    """Those that fit the title; without one the first of each category, so that there is a choice at once."""
    if _terms(title):
        ranked = rank_by_title(title, templates, lambda each: f"{each.title_en} {each.title_zh} {each.code}")
        return [template for _score, template in ranked[:limit]]
    by_category: dict[int, list[Template]] = {}
    for template in templates:
        by_category.setdefault(template.category_id, []).append(template)
    each = max(1, limit // max(1, len(by_category)))
    return [template for group in by_category.values() for template in islice(group, each)]


def find_template(team: Team, pk: str) -> Template | None:
    """A template with its parts, by an id as typed. Three queries."""
    if not (pk.isascii() and pk.isdigit() and len(pk) < 18):
        return None
    return (
        Template.objects.available_to(team)
        .filter(pk=int(pk))
        .prefetch_related(
            Prefetch("mitigations", TemplateMitigation.objects.order_by("position", "id")),
            Prefetch("indicators", TemplateIndicator.objects.order_by("position", "id")),
        )
        .first()
    )


def categories_for(team: Team, risk: Risk | None = None) -> list[Category]:
    """Categories and subcategories in use, and those of the risk even if they no longer are. One query."""
    own = [pk for pk in (risk.category_id, risk.subcategory_id) if pk] if risk else []
    categories = Category.objects.available_to(team) | Category.objects.filter(pk__in=own)
    return list(categories.order_by("position", "key"))

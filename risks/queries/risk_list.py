"""What the list of risks reads beside its rows: who and what can be chosen, and figures of one page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from risks.enums import Kind
from risks.models import Assessment, Category, Mitigation, Risk, Team, User
from risks.models.risk import RiskQuerySet
from risks.queries.as_of import mitigations_at, with_net_movement
from risks.queries.people import left_team, people_of


@dataclass(frozen=True)
class Options:
    """The team's people and taxonomy by id, in the order in which they are offered.

    `left` are people who were members: named where they stand, but not offered.
    """

    people: Mapping[int, User]
    taxonomy: Mapping[int, Category]
    left: Mapping[int, User] = field(default_factory=dict)

    @property
    def everybody(self) -> Mapping[int, User]:
        return {**self.left, **self.people}

    def people_with(self, chosen: Iterable[Any]) -> Mapping[int, User]:
        """Those offered, and of those who have left the ones (ids, also as text) that are chosen already."""
        kept = {str(pk) for pk in chosen}
        return {**self.people, **{pk: person for pk, person in self.left.items() if str(pk) in kept}}

    @cached_property
    def tree(self) -> list[tuple[Category, list[Category]]]:
        """Categories in use, each with its subcategories in use."""
        used = [category for category in self.taxonomy.values() if category.is_active]
        return [
            (parent, [child for child in used if child.parent_id == parent.pk])
            for parent in used
            if parent.parent_id is None
        ]


def load_options(team: Team) -> Options:
    """Two queries."""
    people = list(people_of(team))
    taxonomy = Category.objects.filter(Q(team=None) | Q(team=team)).only(
        "key", "name_en", "name_zh", "parent_id", "position", "is_active"
    )
    return Options(
        {person.pk: person for person in people if not person.has_left},
        {category.pk: category for category in taxonomy},
        {person.pk: person for person in people if person.has_left},
    )


def people_by_id(ids: Collection[int], team_id: int | None = None) -> dict[int, User]:
    """People who may have left the team (then `has_left` says so); no query if none is asked for."""
    if not ids:
        return {}
    people: QuerySet[Any] = User.objects.only("name", "email")
    if team_id:
        people = people.annotate(has_left=left_team(team_id))
    return people.in_bulk(ids)


def net_movements(
    risk_ids: Collection[int], since: datetime, versions: Collection[int] = ()
) -> dict[int, int]:
    """Change of the residual rank since the moment, of those of the risks that moved. One query.

    `versions`: keys of the risks' versions from which it is read instead, if they are of a past day.
    """
    if versions:
        rows = with_net_movement(RiskQuerySet(Risk.history.model).filter(pk__in=versions), since)
        return {risk: net for risk, net in rows.values_list("id", "net") if net}
    scorings = Assessment.objects.filter(
        risk__in=list(risk_ids), kind=Kind.RESIDUAL, assessed_at__gte=since
    ).order_by()
    return {risk: net for risk, net in scorings.values_list("risk").annotate(net=Sum("delta")) if net}


def mitigation_counts(
    risk_ids: Iterable[int], on: date, until: datetime | None = None
) -> dict[int, tuple[int, int]]:
    """Pending mitigations of the risks, and how many of them are late on the day. One query.

    `until`: just before this moment, if not now.
    """
    wanted = {"risk__in": list(risk_ids)}
    mitigations = mitigations_at(until, **wanted) if until else Mitigation.objects.filter(**wanted)
    late = Count("pk", filter=Q(due_date__lt=on))
    pending = mitigations.filter(pending=True).order_by()
    rows = pending.values_list("risk").annotate(count=Count("pk"), late=late)
    return {risk: (count, late) for risk, count, late in rows}

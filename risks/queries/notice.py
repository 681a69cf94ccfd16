"""What the inbox reads."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet, Subquery
from django.db.models.functions import Coalesce

from risks.models import Membership, Notice, User

SENTENCE = (
    "user", "team", "risk", "comment", "actor", "kind", "details", "made_at", "read_at", "in_digest",
    "team__slug", "team__name_en", "team__name_zh", "risk__code", "risk__title_en", "risk__title_zh",
    "actor__name", "actor__email", "comment__deleted_at",
)  # fmt: skip
"""The columns that the sentence of a notice and its link are made from."""


def inbox(user: User) -> QuerySet[Notice]:
    """The person's notices of the teams they belong to; those of a team they have left are hidden."""
    teams = Membership.objects.active().filter(user=user).values("team")
    return Notice.objects.filter(user=user, team__in=teams)


def with_sentence(notices: QuerySet[Notice]) -> QuerySet[Notice]:
    """Joined with what its sentence needs, so that a page of notices is one query."""
    return notices.select_related("team", "risk", "actor", "comment").only(*SENTENCE)


def unread_count(user: Any, team: Any) -> Coalesce:
    """How many notices the user has unread of the team (values or OuterRefs): an annotation."""
    unread = Notice.objects.filter(user=user, team=team, read_at=None).order_by().values("user")
    return Coalesce(Subquery(unread.annotate(number=Count("pk")).values("number")), 0)


def count_unread(user: User) -> int:
    """How many notices in the person's inbox are unread; one query."""
    return inbox(user).filter(read_at=None).count()

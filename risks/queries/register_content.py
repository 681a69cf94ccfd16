"""All that belongs to a register, table by table: what an archive of it holds, and what goes when it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from risks.models import (
    Acceptance,
    Assessment,
    Attachment,
    AuditEvent,
    Comment,
    CommentVersion,
    Follow,
    Indicator,
    LevelTally,
    Mitigation,
    Notice,
    Register,
    Risk,
    RiskLink,
    StateChange,
)

Rows = QuerySet[Any]


@dataclass(frozen=True)
class Part:
    """The rows of one table. `kept`: whether an archive holds them; the rest follows from those that are."""

    name: str
    rows: Callable[[Register], Rows]
    kept: bool = True


def _by_risk(model: Any, path: str = "risk") -> Callable[[Register], Rows]:
    """Through the ids of the risks, which an index gives; a join over both tables is slower to delete by."""
    return lambda register: model.objects.filter(**{f"{path}__in": _risks(register)})


def _own(manager: Any, path: str = "register") -> Callable[[Register], Rows]:
    return lambda register: manager.filter(**{path: register.pk})


def _risks(register: Register) -> QuerySet[Risk]:
    return Risk.objects.filter(register=register).order_by()


def _links(register: Register) -> QuerySet[RiskLink]:
    risks = _risks(register)
    return RiskLink.objects.filter(Q(source__in=risks) | Q(target__in=risks))


def _comment_versions(register: Register) -> QuerySet[CommentVersion]:
    return CommentVersion.objects.filter(comment__in=Comment.objects.filter(risk__in=_risks(register)))


PARTS = (
    Part("notices", _by_risk(Notice), kept=False),
    Part("attachments", _by_risk(Attachment)),
    Part("links", _links),
    Part("comment_versions", _comment_versions),
    Part("comments", _by_risk(Comment)),
    Part("follows", _by_risk(Follow), kept=False),
    Part("indicators", _by_risk(Indicator)),
    Part("acceptances", _by_risk(Acceptance)),
    Part("state_changes", _own(StateChange.objects)),
    Part("assessments", _own(Assessment.objects)),
    Part("mitigation_versions", _own(Mitigation.history)),
    Part("mitigations", _own(Mitigation.objects)),
    Part("risk_versions", _own(Risk.history)),
    Part("risks", _own(Risk.objects)),
    Part("level_tallies", _own(LevelTally.objects), kept=False),
    Part("register_versions", _own(Register.history, "id")),
)
"""In the order in which they can be deleted: what points at a row comes before it."""


def trail_of(register: Register) -> QuerySet[AuditEvent]:
    """What was done to the register and to all in it; it outlives both."""
    return AuditEvent.objects.filter(register_id=register.pk)


def counts_of(register: Register) -> dict[str, int]:
    """How much would go. One query each."""
    names = ("risks", "mitigations", "indicators", "assessments", "comments", "attachments")
    return {part.name: part.rows(register).order_by().count() for part in PARTS if part.name in names}

"""A register as it stood at the end of a past day: the newest version of each object before a moment.

A moment is exclusive: the first instant after the day. The services write versions in the order of their
dates, so the newest one is that with the highest `history_id`, which the indexes `risks_*_past*` give without
reading a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from django.db import models
from django.db.models import F, Max, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from risks.models import Comment, CommentVersion, Mitigation, Register, Risk
from risks.models.mitigation import MitigationQuerySet
from risks.models.risk import RiskQuerySet
from risks.models.search import TEXTS

Row = TypeVar("Row", bound=models.Model)
COMMENTS = 200
"""Shown of a risk's discussion of a past day."""


def _newest(model: Any, moment: datetime, groups: Sequence[str], **wanted: Any) -> Any:
    """Keys of the newest versions before the moment, one of each object."""
    versions = model.history.model.objects.filter(history_date__lt=moment, **wanted).order_by()
    return versions.values(*groups).annotate(newest=Max("history_id")).values("newest")


def risks_at(team_id: int, register_ids: Iterable[int], moment: datetime) -> RiskQuerySet:
    """Versions of the team's risks in these registers. Their `id` is the risk's, their `pk` the version's."""
    newest = _newest(Risk, moment, ("register", "id"), team=team_id, register__in=list(register_ids))
    versions: Any = RiskQuerySet(Risk.history.model)
    found: RiskQuerySet = versions.filter(history_id__in=newest).exclude(history_type="-")
    return found


def mitigations_at(moment: datetime, **of_risk: Any) -> MitigationQuerySet:
    """Versions of the mitigations of the risks wanted: `risk=…` or `risk__in=…`."""
    versions: Any = MitigationQuerySet(Mitigation.history.model)
    newest = _newest(Mitigation, moment, ("risk", "id"), **of_risk)
    found: MitigationQuerySet = versions.filter(history_id__in=newest).exclude(history_type="-")
    return found


def registers_at(registers: Sequence[Register], moment: datetime) -> list[Register]:
    """Those of the registers that existed, with the names, matrix and budget they had. One query."""
    live = {register.pk: register for register in registers}
    newest = _newest(Register, moment, ("id",), id__in=list(live))
    history: Any = Register.history.model
    found = []
    for version in history.objects.filter(history_id__in=newest).select_related("matrix").order_by("key"):
        register, today = row_of(Register, version), live[version.id]
        register.team, register.matrix = today.team, version.matrix or today.matrix
        found.append(register)
    return found


def first_day(rows: Sequence[Register | Risk]) -> date | None:
    """When the history of the first of the rows, all of one model, begins. One query."""
    history: Any = type(rows[0]).history.model
    versions = history.objects.filter(id__in=[row.pk for row in rows])
    first = versions.aggregate(first=Min("history_date"))["first"]
    return timezone.localdate(first) if first else None


def risk_at(team_id: int, code: str, moment: datetime) -> Risk | None:
    """The risk with this code; one that has been deleted since too. Two queries."""
    live = Risk.objects.filter(team=team_id, code=code).only("comment_count").first()
    history: Any = Risk.history.model
    versions = history.objects.filter(team=team_id, history_date__lt=moment)
    versions = versions.filter(id=live.pk) if live else versions.filter(code=code)
    joined = ("category", "subcategory", "template")
    version = versions.select_related(*joined).order_by("-history_id").first()
    if version is None or version.history_type == "-":
        return None
    risk = row_of(Risk, version)
    risk.comment_count = live.comment_count if live else 0
    for name in joined:
        setattr(risk, name, getattr(version, name))
    return risk


def row_of(model: type[Row], version: Any) -> Row:
    """The object as it was, to be read like any other; it is not saved again."""
    row = model(**{field.attname: getattr(version, field.attname) for field in version.tracked_fields})
    for field in model._meta.fields:
        if field.generated:
            setattr(row, field.attname, getattr(version, field.attname))
    row._state.adding = False
    return row


def comments_at(risk: Risk, moment: datetime) -> list[Comment]:
    """The newest comments that had been made, oldest first, with what they said then; without those deleted
    since, which say nothing any more. Counts them in the risk. Two queries at most, none without comments."""
    if not risk.comment_count:
        return []
    made = Comment.objects.filter(risk=risk.pk, created_at__lt=moment, deleted_at=None)
    comments = list(made.order_by("-created_at", "-id")[:COMMENTS])[::-1]
    edited = {comment.pk: comment for comment in comments if comment.edited_at}
    versions = CommentVersion.objects.filter(comment__in=edited, replaced_at__gte=moment) if edited else []
    for version in sorted(versions, key=lambda each: each.replaced_at, reverse=True):
        edited[version.comment_id].body = version.body
    for comment in comments:
        comment.risk, comment.edited_at = risk, None  # its other versions are for the page of today
    risk.comment_count = len(comments)
    return comments


def with_net_movement(risks: RiskQuerySet, since: datetime) -> Any:
    """Versions of scored risks, with `net`: by how much the residual rank has changed since the moment.

    The first scoring of a risk moves nothing.
    """
    versions = Risk.history.model.objects.filter(id=OuterRef("id"))
    before = versions.filter(history_date__lt=since).order_by("-history_date", "-history_id")
    first = versions.filter(residual_rank__gt=0).order_by("history_date", "history_id")
    start = Coalesce(
        NullIf(Subquery(before.values("residual_rank")[:1]), 0), Subquery(first.values("residual_rank")[:1])
    )
    return risks.filter(residual_rank__gt=0).annotate(net=F("residual_rank") - start)


def search_versions(risks: RiskQuerySet, text: str) -> RiskQuerySet:
    """Those versions that hold every word of the text; the full-text index knows the present only."""
    for word in text.split():
        found = Q()
        for name in TEXTS:
            found |= Q(**{f"{name}__icontains": word})
        risks = risks.filter(found)
    return risks

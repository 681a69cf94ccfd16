"""Scoring: appends an assessment and moves the risk's position."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import Kind, Verb
from risks.exceptions import Conflict, Invalid
from risks.models import Assessment, Risk
from risks.models.translated import Text
from risks.quant.matrix import rank
from risks.queries.matrix import load_matrix
from risks.rules import Actor
from risks.services.audit import record
from risks.services.follow import tell_of_change
from risks.services.history import save_tracked
from risks.services.merge import lock
from risks.services.tally import add_to_tally, level_step


@transaction.atomic
def assess_risk(
    risk: Risk,
    kind: Kind | str,
    probability: int,
    impact: int,
    *,
    by: Actor,
    reason: Text | None = None,
    seen_rank: int | None = None,
    at: datetime | None = None,
) -> Assessment:
    """Put the risk at a cell of its register's matrix.

    A reason is demanded when the level changes and when a target is worse than the residual. `seen_rank` is
    the position the person looked at; another one by now raises Conflict.
    """
    risk = lock(risk, "register__matrix")
    rules.check_can_assess_risk(by, risk)
    kind, reason, at = Kind(kind), reason or Text(), at or timezone.now()
    before: int = getattr(risk, f"{kind}_rank")
    if seen_rank is not None and seen_rank != before:
        raise Conflict(
            _("Somebody else has scored this risk meanwhile. Look at the new position, then decide.")
        )
    try:
        cell = load_matrix(risk.register.matrix).cell(probability, impact)
    except KeyError:
        raise Invalid(_("Choose a cell of the matrix."), field="cell") from None
    after = rank(cell.level, cell.score)
    _check_reason(risk, kind, cell.level, after, reason)

    old_level: int | None = getattr(risk, f"{kind}_level")
    old = risk.position(kind)
    assessment = Assessment.objects.create(
        risk=risk, register=risk.register, kind=kind, matrix=risk.register.matrix,
        probability=probability, impact=impact, score=cell.score, level=cell.level, rank=after,
        delta=after - before if before else 0,
        assessed_by=by.user, assessed_at=at, **reason.columns("reason"),
    )  # fmt: skip
    position = {
        f"{kind}_probability": probability,
        f"{kind}_impact": impact,
        f"{kind}_score": cell.score,
        f"{kind}_level": cell.level,
        f"{kind}_rank": after,
    }
    risk.updated_at = max(risk.updated_at, at)
    for name, value in position.items():
        setattr(risk, name, value)
    save_tracked(risk, by=by, reason=str(reason), at=at, fields=[*position, "updated_at"])
    if kind == Kind.RESIDUAL and risk.is_active:
        add_to_tally(risk.register_id, level_step(at, old_level or 0, cell.level))
    event = record(
        Verb.ASSESSED, risk, by=by, risk=risk, reason=str(reason), at=at,
        changes={kind.value: [list(old) if old else None, [probability, impact]]},
    )  # fmt: skip
    if kind == Kind.RESIDUAL and old_level is not None and old_level != cell.level:
        details = {"assessed": kind.value, "level": [old_level, cell.level]}
        tell_of_change([risk], details, by=by, at=at, event=event)
    return assessment


def _check_reason(risk: Risk, kind: Kind, level: int, after: int, reason: Text) -> None:
    if reason:
        return
    old_level = getattr(risk, f"{kind}_level")
    if old_level is not None and old_level != level:
        raise Invalid(_("The level changes. Say why, so that others can follow it."), field="reason")
    if kind == Kind.TARGET and risk.residual_rank and after > risk.residual_rank:
        raise Invalid(
            _("This target is worse than the risk is now. Choose a better one, or say why."), field="reason"
        )

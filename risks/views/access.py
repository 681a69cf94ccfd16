"""The doors: every page of a team goes through `team_view`, every risk through `get_risk_or_404`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone

from risks.enums import LEVEL_MARKS, Level
from risks.models import Membership, Mitigation, Register, Risk, Team, User
from risks.models.mitigation import MitigationQuerySet
from risks.models.risk import RiskQuerySet
from risks.queries.matrix import LoadedMatrix, load_matrix
from risks.queries.notice import unread_count
from risks.rules import Actor


@dataclass(frozen=True)
class Scope:
    """What one request may see: the team, one's role in it, its registers, the one of ?register=.

    `registers` are those in use; an archived one is seen when it is asked for. `unread` counts notices.
    """

    team: Team
    actor: Actor
    memberships: list[Membership]
    registers: list[Register]
    register: Register | None
    archived: list[Register]
    unread: int

    @property
    def user(self) -> User:
        assert self.actor.user is not None  # noqa: S101
        return self.actor.user

    @property
    def register_key(self) -> str:
        """Of the chosen register, for links that keep the choice; empty for all."""
        return self.register.key if self.register else ""

    @property
    def shown_registers(self) -> list[Register]:
        return [self.register] if self.register else self.registers

    def risks(self) -> RiskQuerySet:
        """Every risk in view: of the chosen register, else of the team's that are not archived."""
        if self.register:
            return Risk.objects.filter(register=self.register)
        risks = Risk.objects.filter(team=self.team)
        return risks.exclude(register__in=self.archived) if self.archived else risks

    def mitigations(self) -> MitigationQuerySet:
        if self.register:
            return Mitigation.objects.filter(register=self.register)
        mitigations = Mitigation.objects.filter(team=self.team)
        return mitigations.exclude(register__in=self.archived) if self.archived else mitigations

    def matrix_of(self, register_id: int) -> LoadedMatrix:
        return load_matrix(self.register_of(register_id).matrix)

    def register_of(self, register_id: int) -> Register:
        """The register by id, from those already loaded."""
        return next(r for r in (*self.registers, *self.archived) if r.pk == register_id)


def open_scope(request: HttpRequest, slug: str) -> Scope:
    """The team with this slug if the person is its member, else 404. Two queries."""
    user: User = request.user  # type: ignore[assignment]
    memberships = list(
        user.memberships.active().select_related("team").annotate(unread=unread_count(OuterRef("user")))
    )
    membership = next((m for m in memberships if m.team.slug == slug), None)
    if membership is None:
        raise Http404
    membership.user = user
    every = list(Register.objects.filter(team=membership.team).select_related("matrix"))
    for register in every:
        register.team = membership.team
    key = request.GET.get("register", "")
    chosen = next((r for r in every if r.key == key), None)
    if key and chosen is None:
        raise Http404
    return Scope(
        team=membership.team,
        actor=Actor.of(membership),
        memberships=memberships,
        registers=[r for r in every if not r.is_archived],
        register=chosen,
        archived=[r for r in every if r.is_archived],
        unread=membership.unread,
    )


def team_view(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Signed in, member of the team in the address; the view gets the Scope in the slug's place."""

    @login_required
    @wraps(view)
    def inner(request: HttpRequest, team: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
        scope = open_scope(request, team)
        request.scope = scope  # type: ignore[attr-defined]
        return view(request, scope, *args, **kwargs)

    return inner


def get_risk_or_404(scope: Scope, code: str) -> Risk:
    """The team's risk with this code, with its category and template joined."""
    risks = Risk.objects.select_related("category", "subcategory", "template")
    risk = get_object_or_404(risks, team=scope.team, code=code.upper())
    risk.register = scope.register_of(risk.register_id)
    return risk


def get_mitigation_or_404(scope: Scope, pk: int) -> Mitigation:
    mitigations = Mitigation.objects.select_related("risk", "owner")
    mitigation = get_object_or_404(mitigations, team=scope.team, pk=pk)
    mitigation.risk.register = scope.register_of(mitigation.register_id)
    return mitigation


def frame(request: HttpRequest) -> dict[str, Any]:
    """What the frame of every page shows; no query of its own."""
    user = getattr(request, "user", None)
    return {
        "scope": getattr(request, "scope", None),
        "languages": settings.LANGUAGES,
        "theme": getattr(user, "theme", "") or request.COOKIES.get("riskreg_theme", "auto"),
        "demo": settings.DEMO,
        "today": timezone.localdate(),
        "marks": {level.value: LEVEL_MARKS[level] for level in Level},
    }

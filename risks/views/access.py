"""The doors: every page of a team goes through `team_view`, every risk through `get_risk_or_404`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import OuterRef, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import LEVEL_MARKS, Level
from risks.exceptions import Invalid
from risks.formatting import day as written_day
from risks.htmx import render_page
from risks.models import Membership, Mitigation, Register, Risk, Team, User
from risks.models.mitigation import MitigationQuerySet
from risks.models.risk import RiskQuerySet
from risks.queries.as_of import first_day, registers_at, risk_at, risks_at
from risks.queries.discussion import with_following
from risks.queries.matrix import LoadedMatrix, load_matrix
from risks.queries.movement import day_end
from risks.queries.notice import count_unread, unread_count
from risks.rules import Actor
from risks.views.security import demand_second_factor

AS_OF = "as_of"
"""The parameter that asks for the register as it stood at the end of a past day."""


class NoSuchDay(Invalid):
    """There is nothing to see of the day asked for."""


@dataclass(frozen=True)
class Scope:
    """What one request may see: the team, one's role in it, its registers, the one of ?register=.

    `registers` are those in use; an archived one is seen when it is asked for. `unread` counts notices.
    `as_of`: the past day that is looked at; registers and risks are then as they were at its end.
    """

    team: Team
    actor: Actor
    memberships: list[Membership]
    registers: list[Register]
    register: Register | None
    archived: list[Register]
    unread: int
    as_of: date | None = None

    @property
    def today(self) -> date:
        """The day that is looked at: dates before it are late."""
        return self.as_of or timezone.localdate()

    @property
    def until(self) -> datetime | None:
        """The moment just after a past day; None for the present."""
        return day_end(self.as_of) if self.as_of else None

    @property
    def user(self) -> User:
        assert self.actor.user is not None  # noqa: S101
        return self.actor.user

    @property
    def register_key(self) -> str:
        """Of the chosen register, for links that keep the choice; empty for all."""
        return self.register.key if self.register else ""

    @property
    def query(self) -> str:
        """For links to pages of the same registers and day."""
        chosen = {"register": self.register_key, AS_OF: f"{self.as_of or ''}"}
        kept = {name: value for name, value in chosen.items() if value}
        return f"?{urlencode(kept)}" if kept else ""

    @property
    def day_query(self) -> str:
        """For links to pages of the same day."""
        return f"?{AS_OF}={self.as_of}" if self.as_of else ""

    @property
    def shown_registers(self) -> list[Register]:
        return [self.register] if self.register else self.registers

    def risks(self) -> RiskQuerySet:
        """Every risk in view: of the chosen register, else of the team's that are not archived.

        Of a past day their versions, to be told apart by `id`.
        """
        if self.until:
            return risks_at(self.team.pk, [each.pk for each in self.shown_registers], self.until)
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
        user.memberships.active()
        .select_related("team")
        .annotate(unread=unread_count(OuterRef("user"), OuterRef("team")))
    )
    membership = next((m for m in memberships if m.team.slug == slug), None)
    if membership is None:
        raise Http404
    demand_second_factor(request, membership.team)
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
        memberships=list[Membership](memberships),
        registers=[r for r in every if not r.is_archived],
        register=chosen,
        archived=[r for r in every if r.is_archived],
        unread=sum(each.unread for each in memberships),
    )


def team_view(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Signed in, member of the team in the address; the view gets the Scope in the slug's place.

    Knows the present only: nothing is written at an address of the past, and reading leads to today.
    """

    @login_required
    @wraps(view)
    def inner(request: HttpRequest, team: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
        scope = _enter(request, team)
        if AS_OF in request.GET:
            return _today(request)
        return view(request, scope, *args, **kwargs)

    return inner


def hands_out(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For a view that gives something out and writes that down: HEAD gets nothing, and leaves no line."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "HEAD":
            return view(request, *args, **kwargs)
        with transaction.atomic():
            response = view(request, *args, **kwargs)
            transaction.set_rollback(True)
        return response

    return inner


def dated_view(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A `team_view` that can also show a past day, by `?as_of=2026-09-03`; nobody may change anything there.

    A day that makes no sense answers 422 and says which do; today is the page without a day.
    """

    @login_required
    @wraps(view)
    def inner(request: HttpRequest, team: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
        scope = _enter(request, team)
        asked = request.GET.get(AS_OF, "").strip()
        try:
            day = _read_day(asked) if asked else timezone.localdate()
            if AS_OF in request.GET and day == timezone.localdate():
                return _today(request)
            if asked:
                scope = request.scope = _look_back(scope, day)  # type: ignore[attr-defined]
            return view(request, scope, *args, **kwargs)
        except NoSuchDay as problem:
            if request.htmx:  # type: ignore[attr-defined]
                raise
            context = {"problem": str(problem.message), "asked": asked[:50]}
            return render_page(request, "risks/as_of.html", context, status=422)

    return inner


def _enter(request: HttpRequest, team: str) -> Scope:
    scope = open_scope(request, team)
    request.scope = scope  # type: ignore[attr-defined]
    if AS_OF in request.GET and request.method not in ("GET", "HEAD"):
        rules.check_is_present(replace(scope.actor, in_past=True))
    return scope


def _today(request: HttpRequest) -> HttpResponseBase:
    """To the same address without a day."""
    params = request.GET.copy()
    del params[AS_OF]
    return redirect(f"{request.path}?{params.urlencode()}" if params else request.path)


def _read_day(asked: str) -> date:
    try:
        day = datetime.strptime(asked, "%Y-%m-%d").date()
    except ValueError:
        raise NoSuchDay(
            _("“%(value)s” is not a day. Write year, month and day, such as 2026-09-03.")
            % {"value": asked[:50]}
        ) from None
    if day > timezone.localdate():
        raise NoSuchDay(_("That day is yet to come. Choose a day before today."))
    return day


def _look_back(scope: Scope, day: date) -> Scope:
    """The scope as it was at the end of the day. One query, two if there was nothing yet."""
    every = [*scope.registers, *scope.archived]
    found = registers_at(every, day_end(day))
    chosen = next((each for each in found if each == scope.register), None)
    if scope.register and not chosen:
        raise NoSuchDay(_not_yet(scope.register.key, first_day([scope.register])))
    if every and not found:
        raise NoSuchDay(_not_yet(scope.team.name, first_day(every)))
    return replace(
        scope,
        actor=replace(scope.actor, in_past=True),
        registers=[each for each in found if not each.is_archived],
        archived=[each for each in found if each.is_archived],
        register=chosen,
        as_of=day,
    )


def _not_yet(name: str, first: date | None) -> str:
    return _(
        "There was nothing of %(name)s yet: its history begins on %(day)s. Choose that day or a later one."
    ) % {"name": name, "day": written_day(first)}


def get_risk_or_404(scope: Scope, code: str, *, following: bool = False) -> Risk:
    """The team's risk with this code, with its category and template joined.

    `following`: with what `with_following` adds, which is of the present only.
    """
    if scope.until:
        return _past_risk(scope, scope.until, code.upper())
    risks: QuerySet[Risk] = Risk.objects.select_related("category", "subcategory", "template")
    if following:
        risks = with_following(risks, scope.user)
    risk = get_object_or_404(risks, team=scope.team, code=code.upper())
    risk.register = scope.register_of(risk.register_id)
    return risk


def _past_risk(scope: Scope, until: datetime, code: str) -> Risk:
    risk = risk_at(scope.team.pk, code, until)
    if risk is None:
        live = get_object_or_404(Risk, team=scope.team, code=code)
        raise NoSuchDay(_not_yet(code, first_day([live])))
    register = next((r for r in (*scope.registers, *scope.archived) if r.pk == risk.register_id), None)
    if register is None:
        raise Http404
    risk.register = register
    return risk


def get_mitigation_or_404(scope: Scope, pk: int) -> Mitigation:
    mitigations = Mitigation.objects.select_related("risk", "owner")
    mitigation = get_object_or_404(mitigations, team=scope.team, pk=pk)
    mitigation.risk.register = scope.register_of(mitigation.register_id)
    return mitigation


def frame(request: HttpRequest) -> dict[str, Any]:
    """What the frame of every page shows; no query of its own."""
    user: Any = getattr(request, "user", None)
    scope: Scope | None = getattr(request, "scope", None)
    return {
        "scope": scope,
        "unread": scope.unread if scope else cache(lambda: count_unread(user)),  # outside a team if shown
        "languages": settings.LANGUAGES,
        "theme": getattr(user, "theme", "") or request.COOKIES.get("riskreg_theme", "auto"),
        "demo": settings.DEMO,
        "today": scope.today if scope else timezone.localdate(),
        "marks": {level.value: LEVEL_MARKS[level] for level in Level},
    }

"""Settings of a team: its names, its members, leaving it, and making a new one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from risks import rules
from risks.enums import Role
from risks.exceptions import DomainError, Invalid, NotAllowed
from risks.forms.team import NewTeamForm, RoleForm, SuccessorForm, TeamForm, refuse
from risks.htmx import render_page, requested_partial
from risks.models import Membership, User
from risks.queries.people import active_administrators, in_hand, members, without_second_factor
from risks.services import membership as service
from risks.services.team import create_team
from risks.views.access import Scope, team_view

PER_PAGE = 100
PARTIALS = {"members": "risks/team/_members.html"}


@team_view
def team_settings(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Names of the team, and whether it demands a second factor; everybody may look."""
    team = scope.team
    form = TeamForm(
        request.POST if request.method == "POST" else None,
        initial={name: getattr(team, name) for name in service.TEAM_FIELDS},
    )
    why = rules.reason_against(rules.check_can_administer_team, scope.actor, team)
    if request.method == "POST":
        rules.check_can_administer_team(scope.actor, team)
        if form.is_valid():
            try:
                service.update_team(team, form.cleaned_data, by=scope.actor)
            except ValidationError as error:
                form.add_error(None, error.messages)
            else:
                messages.success(request, _("Saved."))
                return redirect("risks:team-settings", team.slug)
    if why:
        for field in form.fields.values():
            field.disabled = True
    context = {"form": form, "why": why, "unsecured": without_second_factor(team), "tab": "general"}
    return render_page(request, "risks/team/settings.html", context, status=422 if form.errors else 200)


# --- members


@require_safe
@team_view
def member_list(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Members with their roles, and those who have left below them."""
    return _show_members(request, scope)


def _show_members(request: HttpRequest, scope: Scope, status: int = 200, **more: Any) -> HttpResponse:
    query = request.GET.get("q", "").strip().replace("\0", "")[:100]
    found = members(scope.team)
    if query:
        found = found.filter(Q(user__name__icontains=query) | Q(user__email__icontains=query))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    rows = list(page)
    for row in rows:
        row.team, row.user.has_left = scope.team, False
    administrators = list(active_administrators(scope.team.pk).values_list("pk", flat=True)[:2])
    context = {
        "page": page,
        "active": [row for row in rows if row.is_active],
        "inactive": [row for row in rows if not row.is_active],
        "by_groups": any(row.is_active and row.by_group for row in rows),
        "query": query,
        "roles": Role.choices,
        "why": rules.reason_against(rules.check_can_administer, scope.actor),
        "last_administrator": administrators[0] if len(administrators) == 1 else None,
        "why_last": rules.LAST_ADMINISTRATOR,
        "tab": "members",
        **more,
    }
    return render_page(request, "risks/team/members.html", context, partials=PARTIALS, status=status)


def get_member_or_404(scope: Scope, pk: int) -> Membership:
    membership = Membership.objects.select_related("user").filter(team=scope.team, pk=pk).first()
    if membership is None:
        raise Http404
    membership.team = scope.team
    return membership


@require_POST
@team_view
def member_role(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Give a member another role: the list again to htmx, which swaps it in place."""
    membership, form = get_member_or_404(scope, pk), RoleForm(request.POST)
    rules.check_can_change_member(scope.actor, membership)
    if not form.is_valid():
        raise Invalid(_("Choose a role of the list."))
    in_place = requested_partial(request, PARTIALS)
    try:
        changed = service.change_role(membership, form.cleaned_data["role"], by=scope.actor)
    except NotAllowed as refused:
        if not in_place:
            raise
        messages.error(request, str(refused.message))
        return _show_members(request, scope, status=422, focus=pk)  # with the role that it still is
    words = {"name": changed.user, "role": changed.get_role_display()}
    messages.success(request, _("%(name)s: %(role)s.") % words)
    if membership.user_id == scope.user.pk or not in_place:
        return redirect("risks:member-list", scope.team.slug)  # the whole page changes with one's own role
    return _show_members(request, scope, focus=pk)


@team_view
def member_deactivate(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """What the member leaves behind, and who takes it over; then the membership ends."""
    membership = get_member_or_404(scope, pk)
    rules.check_can_change_member(scope.actor, membership)
    if not membership.is_active:
        return redirect("risks:member-list", scope.team.slug)
    if membership.user_id == scope.user.pk:
        return redirect("risks:team-leave", scope.team.slug)
    return _part_with(request, scope, membership, leaving=False)


@team_view
def team_leave(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Leave the team oneself, after a look at what one leaves behind."""
    membership = Membership.objects.get(team=scope.team, user=scope.user)
    membership.team, membership.user = scope.team, scope.user
    return _part_with(request, scope, membership, leaving=True)


def _part_with(
    request: HttpRequest, scope: Scope, membership: Membership, *, leaving: bool
) -> HttpResponse:  # fmt: skip
    form = SuccessorForm(
        request.POST if request.method == "POST" else None, membership=membership, required=False
    )
    others = active_administrators(scope.team.pk).exclude(pk=membership.pk)
    last = membership.role == Role.ADMINISTRATOR and not others.exists()
    if request.method == "POST" and form.is_valid():
        act = service.leave if leaving else service.deactivate
        try:
            handed = act(membership, by=scope.actor, successor=form.cleaned_data["successor"])
        except DomainError as error:
            refuse(form, error)
        else:
            _say_parted(request, scope, membership, handed, form.cleaned_data["successor"], leaving)
            return redirect("risks:home") if leaving else redirect("risks:member-list", scope.team.slug)
    context = {
        "form": form,
        "membership": membership,
        "person": membership.user,
        "hand": in_hand(membership, timezone.localdate()),
        "leaving": leaving,
        "why": rules.LAST_ADMINISTRATOR if last else "",
        "tab": "members",
    }
    return render_page(request, "risks/team/part.html", context, status=422 if form.errors else 200)


def _say_parted(
    request: HttpRequest, scope: Scope, membership: Membership, handed: service.HandedOver,
    successor: User | None, leaving: bool,
) -> None:  # fmt: skip
    if leaving:
        said = _("You have left the team %(team)s.") % {"team": scope.team.name}
    else:
        said = _("%(name)s is no longer a member.") % {"name": membership.user}
    messages.success(request, f"{said} {_counted(handed, successor)}".strip())


def _counted(handed: service.HandedOver, successor: User | None) -> str:
    if successor is None:
        return ""
    things = handed.risks + handed.mitigations
    words = ngettext("%(name)s owns %(count)d thing more.", "%(name)s owns %(count)d things more.", things)
    return words % {"name": successor, "count": things}


@require_POST
@team_view
def member_reactivate(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    membership = get_member_or_404(scope, pk)
    service.reactivate(membership, by=scope.actor)
    messages.success(request, _("%(name)s is a member again.") % {"name": membership.user})
    return redirect("risks:member-list", scope.team.slug)


@team_view
def member_hand_over(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Give all that a member owns to another, in one step; also what somebody who has left still owns."""
    membership = get_member_or_404(scope, pk)
    rules.check_can_change_member(scope.actor, membership)
    form = SuccessorForm(
        request.POST if request.method == "POST" else None, membership=membership, required=True
    )
    if request.method == "POST" and form.is_valid():
        successor = form.cleaned_data["successor"]
        try:
            handed = service.hand_over(membership, successor, by=scope.actor)
        except Invalid as error:
            refuse(form, error)
        else:
            messages.success(request, _counted(handed, successor))
            return redirect("risks:member-list", scope.team.slug)
    hand = in_hand(membership, timezone.localdate())
    context = {
        "form": form, "membership": membership, "person": membership.user, "hand": hand, "tab": "members",
    }  # fmt: skip
    return render_page(request, "risks/team/hand_over.html", context, status=422 if form.errors else 200)


# --- a new team


@login_required
def team_create(request: HttpRequest) -> HttpResponse:
    """A new team of which one becomes the administrator; its first register comes next."""
    user: User = request.user  # type: ignore[assignment]
    rules.check_can_make_team(user)
    form = NewTeamForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            membership = create_team(form.values(), administrator=user)
        except ValidationError as error:
            for name, found in error.message_dict.items():
                form.add_error("slug" if name == "slug" else None, found)
        else:
            messages.success(request, _("The team is there. Now make its first register."))
            return redirect("risks:register-create", membership.team.slug)
    return render_page(request, "risks/team/new.html", {"form": form}, status=422 if form.errors else 200)

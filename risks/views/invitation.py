"""Inviting people to a team, and the page that the link in the mail leads to."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import Login, perform_login
from allauth.core.internal.ratelimit import decorator as rate_limit
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from risks import rules
from risks.exceptions import Conflict, Gone, Invalid, NotAllowed
from risks.forms.team import InvitationForm, JoinForm, refuse
from risks.htmx import render_page
from risks.models import Invitation, User
from risks.services import invitation as service
from risks.views.access import Scope, team_view

PER_PAGE = 100
ANSWERED = 50
"""How many of those answered last are shown."""


@team_view
def invitation_list(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Invite people, and see who has not answered yet."""
    rules.check_can_administer_team(scope.actor, scope.team)
    form = InvitationForm(
        request.POST if request.method == "POST" else None, initial={"language": get_language()}
    )
    made: list[Invitation] = []
    if request.method == "POST" and form.is_valid():
        try:
            made = service.invite(scope.team, **form.values(), by=scope.actor)
        except Invalid as error:
            refuse(form, error)
        else:
            messages.success(
                request,
                ngettext("%(count)d person is invited.", "%(count)d people are invited.", len(made))
                % {"count": len(made)},
            )
            if not _shows_links():
                return redirect("risks:invitation-list", scope.team.slug)
            form = InvitationForm(initial={"language": form.cleaned_data["language"]})
    return _show(request, scope, form, made)


def _show(request: HttpRequest, scope: Scope, form: InvitationForm, made: list[Invitation]) -> HttpResponse:
    """The page; with the links just made, once, where no mail brings them."""
    invitations = Invitation.objects.filter(team=scope.team).select_related("invited_by")
    waiting = invitations.filter(accepted_at=None, revoked_at=None)
    page = Paginator(waiting, PER_PAGE).get_page(request.GET.get("page"))
    answered = invitations.exclude(accepted_at=None, revoked_at=None)
    now = timezone.now()
    context = {
        "form": form,
        "page": page,
        "waiting": [(each, each.has_expired(now)) for each in page],
        "answered": list(answered.order_by(Coalesce("accepted_at", "revoked_at").desc(), "-pk")[:ANSWERED]),
        "links": [(each.email, _link(request, each)) for each in made] if _shows_links() else [],
        "mail_works": settings.MAIL_WORKS,
        "tab": "invitations",
    }
    return render_page(request, "risks/team/invitations.html", context, status=422 if form.errors else 200)


def _shows_links() -> bool:
    """Where no mail goes out, somebody has to pass the link on."""
    return settings.DEMO or not settings.MAIL_WORKS


def _link(request: HttpRequest, invitation: Invitation) -> str:
    path = reverse("risks:invitation", args=[service.secret_of(invitation)])
    return request.build_absolute_uri(path)


def _get_or_404(scope: Scope, pk: int) -> Invitation:
    rules.check_can_administer_team(scope.actor, scope.team)
    invitation = Invitation.objects.filter(team=scope.team, pk=pk).first()
    if invitation is None:
        raise Http404
    return invitation


@require_POST
@team_view
def invitation_send(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Send the mail again, with a new link; the one before is dead."""
    invitation = service.send_again(_get_or_404(scope, pk), by=scope.actor)
    messages.success(request, _("%(address)s gets a new link.") % {"address": invitation.email})
    if _shows_links():
        return _show(request, scope, InvitationForm(initial={"language": get_language()}), [invitation])
    return redirect("risks:invitation-list", scope.team.slug)


@require_POST
@team_view
def invitation_revoke(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    invitation = _get_or_404(scope, pk)
    service.revoke(invitation, by=scope.actor)
    messages.success(request, _("The invitation of %(address)s is revoked.") % {"address": invitation.email})
    return redirect("risks:invitation-list", scope.team.slug)


# --- the page behind the link


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@rate_limit(app="allauth.account", action="invitation", limit_get=True)
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Join the team: with a new account, or with one's own by one click. Looking at it changes nothing."""
    found = service.find_invitation(secret)
    person: User | None = request.user if request.user.is_authenticated else None
    if found is None:
        return _closed(request, 404, "unknown")
    if service.has_joined(found, person):
        return redirect("risks:overview", found.team.slug)
    state = _state(found)
    if state:
        return _closed(request, 410, state, invitation=found)
    if person:
        return _join_with_own_account(request, found, person)
    if service.account_of(found):
        return render_page(request, "risks/team/join.html", _about(found, step="sign-in", path=request.path))
    return _join_with_new_account(request, found)


def _state(found: Invitation) -> str:
    """Why it cannot be used; empty if it can."""
    if found.accepted_at:
        return "used"
    if found.revoked_at:
        return "revoked"
    return "expired" if found.has_expired(timezone.now()) else ""


def _about(found: Invitation, **more: Any) -> dict[str, Any]:
    return {"invitation": found, "inviter": str(found.invited_by or ""), "scope": None, **more}


def _closed(request: HttpRequest, status: int, state: str, **more: Any) -> HttpResponse:
    context = {"state": state, "scope": None, **more}
    return render_page(request, "risks/team/invitation_closed.html", context, status=status)


def _join_with_own_account(request: HttpRequest, found: Invitation, person: User) -> HttpResponse:
    if not service.is_for(found, person):
        context = _about(found, step="other", path=request.path, person=person)
        return render_page(request, "risks/team/join.html", context, status=403)
    if request.method == "POST":
        try:
            membership = service.accept(found, person)
        except Gone:
            return _closed(request, 410, "used", invitation=found)
        messages.success(request, _("Welcome to the team %(team)s.") % {"team": membership.team.name})
        return redirect("risks:overview", membership.team.slug)
    return render_page(request, "risks/team/join.html", _about(found, step="join", person=person))


def _join_with_new_account(request: HttpRequest, found: Invitation) -> HttpResponse:
    chosen = found.language or get_language()
    form = JoinForm(
        request.POST if request.method == "POST" else None, email=found.email, initial={"language": chosen}
    )
    if request.method == "POST" and form.is_valid():
        try:
            membership = service.accept_as_new(found, **form.cleaned_data)
        except Gone:
            return _closed(request, 410, "used", invitation=found)
        except (Conflict, NotAllowed) as error:
            form.add_error(None, str(error.message))
        else:
            messages.success(request, _("Welcome to the team %(team)s.") % {"team": membership.team.name})
            home = reverse("risks:overview", args=[membership.team.slug])
            return perform_login(request, Login(user=membership.user, redirect_url=home))
    context = _about(found, step="account", form=form)
    return render_page(request, "risks/team/join.html", context, status=422 if form.errors else 200)

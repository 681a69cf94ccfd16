"""Ways in: home, sign-in of the demonstration, first set-up; and what people choose for themselves."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import Login, perform_login, record_authentication
from allauth.account.views import ConfirmEmailView
from allauth.core.internal.ratelimit import decorator as rate_limit
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from risks.enums import Role, Theme
from risks.exceptions import DomainError
from risks.forms.account import SetupForm
from risks.htmx import render_page
from risks.models import Matrix, User
from risks.queries.people import own_teams
from risks.rules import can_make_team
from risks.services.demo import DOMAIN
from risks.services.team import is_empty_installation, set_preferences, set_up_installation

LAST_TEAM = "last_team"
YEAR = 31_536_000
COOKIES = {"language": settings.LANGUAGE_COOKIE_NAME, "theme": "riskreg_theme"}


def _safe_next(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    allowed = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return target if allowed else "/"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The overview of the team looked at last; the sign-in page, or the set-up of an empty installation."""
    if not request.user.is_authenticated:
        return redirect("risks:setup" if is_empty_installation() else "account_login")
    teams = own_teams(request.user)
    team = teams.filter(slug=request.session.get(LAST_TEAM)).first() or teams.first()
    if team:
        return redirect("risks:overview", team.slug)
    return render_page(request, "risks/team/none.html", {"may_make_team": can_make_team(request.user)})


@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """For whoever watches the server: 200 if it can reach its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@rate_limit(app="allauth.account", action="setup")
def setup(request: HttpRequest) -> HttpResponse:
    """The first visitor of an empty installation makes the first account, team and register."""
    if not is_empty_installation():
        raise Http404
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.values()
        values["register"]["matrix"] = Matrix.objects.filter(
            team=None, is_default=True, is_active=True
        ).latest("version")
        try:
            membership = set_up_installation(**values)
        except DomainError as error:
            form.add_error(error.field, str(error.message))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Welcome. Log your first risk: a title is enough."))
            record_authentication(request, membership.user, "setup")
            overview = reverse("risks:overview", args=[membership.team.slug])
            return perform_login(request, Login(user=membership.user, redirect_url=overview))
    return render_page(request, "risks/team/setup.html", {"form": form}, status=422 if form.errors else 200)


class ConfirmAddress(ConfirmEmailView):
    """Allauth's page; a link that is not, or no longer, one that confirms something is not found."""

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        status = 200 if context["can_confirm"] else 404
        answer: HttpResponse = super().render_to_response(context, status=status, **kwargs)
        return answer


@require_POST
def demo_login(request: HttpRequest) -> HttpResponse:
    """One-click sign-in with one of the demonstration's roles; exists in demonstration mode only."""
    if not settings.DEMO:
        raise Http404
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise Http404
    user = User.objects.filter(email=role + DOMAIN).first()
    if user is None:
        raise Http404
    theme = request.COOKIES.get(COOKIES["theme"], "")
    chosen = {"theme": theme} if theme in Theme.values else {}
    set_preferences(user, language=get_language() or "", **chosen)  # as on the page the click was on
    record_authentication(request, user, "demo")
    return perform_login(request, Login(user=user, redirect_url=_safe_next(request)))


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Language or theme from the frame, kept with the person or, signed out, in a cookie."""
    response = HttpResponseRedirect(_safe_next(request))
    choices: dict[str, dict[Any, Any]] = {"language": dict(settings.LANGUAGES), "theme": dict(Theme.choices)}
    chosen = {name: value for name in choices if (value := request.POST.get(name, "")) in choices[name]}
    if request.user.is_authenticated:
        set_preferences(request.user, **chosen)
    for name, value in chosen.items():
        response.set_cookie(
            COOKIES[name], value, max_age=YEAR, samesite="Lax", secure=not settings.INSECURE, httponly=True
        )
    return response

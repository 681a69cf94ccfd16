"""How somebody signs in and stays secure: the summary, the sessions, the second factor a team demands,
and the way to single sign-on."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.ratelimit import decorator as rate_limit
from allauth.mfa.models import Authenticator
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect import views as openid
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from requests import RequestException

from risks.enums import Secured
from risks.htmx import render_page
from risks.models import Team, User
from risks.services.accounts import (
    demanding_teams,
    end_other_sessions,
    end_sessions,
    has_second_factor,
    live_sessions,
    record_secured,
)

WANTED = "wanted"
"""In a session: the page somebody wanted who has to set up a second factor first."""

_BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def ways_in(request: HttpRequest) -> dict[str, Any]:
    """What pages of signing in have to know of the installation."""
    return {"mail_works": settings.MAIL_WORKS, "open_signup": settings.OPEN_SIGNUP}


@require_safe
@login_required
@never_cache
def security(request: HttpRequest) -> HttpResponse:
    """Every way to sign in and how it stands, each with its link."""
    user: User = request.user  # type: ignore[assignment]
    factors = list(Authenticator.objects.filter(user=user))
    addresses = EmailAddress.objects.filter(user=user, verified=False).exclude(email=user.email)
    codes = next((f.wrap() for f in factors if f.type == Authenticator.Type.RECOVERY_CODES), None)
    context = {
        "pending_address": addresses.first(),
        "app": next((f for f in factors if f.type == Authenticator.Type.TOTP), None),
        "passkeys": [f for f in factors if f.type == Authenticator.Type.WEBAUTHN],
        "codes_left": len(codes.get_unused_codes()) if codes else None,
        "sessions_count": len(live_sessions(user)),
        "sign_on": _sign_on_name(),
        "sign_on_connected": SocialAccount.objects.filter(user=user).exists(),
        "demanding_teams": list(demanding_teams(user)),
    }
    return render_page(request, "account/security.html", context)


def _sign_on_name() -> str:
    apps: Any = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect", {}).get("APPS", [])
    return apps[0]["name"] if apps else ""


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def sessions(request: HttpRequest) -> HttpResponse:
    """Where one is signed in; `end` signs out in one browser by its id, or in all the `others`."""
    user: User = request.user  # type: ignore[assignment]
    current = request.session.session_key
    if request.method == "POST":
        wanted = request.POST.get("end", "")
        if wanted == "others":
            count = end_other_sessions(user, current)
        else:
            mine = UserSession.objects.filter(user=user).exclude(session_key=current)
            count = end_sessions(mine.filter(pk=wanted)) if re.fullmatch(r"[0-9]{1,18}", wanted) else 0
        if count:
            record_secured(user, Secured.SESSIONS_ENDED)
        text = ngettext("Signed out in %(count)s browser.", "Signed out in %(count)s browsers.", count)
        messages.success(request, text % {"count": count})
        return redirect("risks:sessions")
    found = live_sessions(user)
    found.sort(key=lambda session: session.session_key != current)
    rows = [
        {"session": session, "device": _device(session.user_agent), "current": session.session_key == current}
        for session in found
    ]
    return render_page(request, "account/sessions.html", {"rows": rows})


def _device(user_agent: str) -> str:
    """Browser and system in two words, as far as the browser tells; they change too often for more."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or user_agent.split("/")[0][:40] or _("Unknown browser")


def demand_second_factor(request: HttpRequest, team: Team | None = None) -> None:
    """Lead somebody without a second factor to its set-up, if the team demands one; back afterwards.

    Without a team: if any does whose matters the person may see.
    """
    user: User = request.user  # type: ignore[assignment]
    demanded = team.requires_second_factor if team else demanding_teams(user).exists()
    if not demanded or has_second_factor(user):
        return
    htmx = request.htmx  # type: ignore[attr-defined]
    page = request.get_full_path() if request.method == "GET" and not htmx else htmx.current_url_abs_path
    request.session[WANTED] = page or (reverse("risks:overview", args=[team.slug]) if team else "/")
    raise ImmediateHttpResponse(redirect("risks:second-factor"))


def own_view(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Signed in; for pages that show matters of all one's teams: each of them may demand a second factor."""

    @login_required
    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        demand_second_factor(request)
        return view(request, *args, **kwargs)

    return inner


@require_safe
@login_required
@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Why a team demands a second factor and how to set one up; with one, on to where one was going."""
    user: User = request.user  # type: ignore[assignment]
    wanted = request.session.get(WANTED, "/")
    if has_second_factor(user):
        request.session.pop(WANTED, None)
        return redirect(wanted)
    return render_page(request, "account/second_factor.html", {"teams": list(demanding_teams(user))})


def _to_issuer(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A step of single sign-on; an issuer that cannot be reached, or talks nonsense, gives our error page."""

    def inner(request: HttpRequest, provider_id: str) -> HttpResponse:
        try:
            return view(request, provider_id)
        except (RequestException, KeyError, TypeError, ValueError) as error:
            return render_authentication_error(request, provider_id, exception=error)

    return inner


@rate_limit(app="allauth.account", action="login")
def sign_on(request: HttpRequest, provider_id: str) -> HttpResponse:
    """To the issuer by a page that leads there: our policy lets no form lead elsewhere."""
    answer = _to_issuer(openid.login)(request, provider_id)
    if answer.status_code == 302:
        return render(request, "socialaccount/login_redirect.html", {"redirect_to": answer["Location"]})
    return answer


def sign_on_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _to_issuer(openid.callback)(request, provider_id)

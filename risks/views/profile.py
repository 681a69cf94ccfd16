"""What people choose for themselves, and their own data."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.cache import never_cache

from risks import rules
from risks.enums import Delivery
from risks.exceptions import DomainError
from risks.forms.profile import ProfileForm
from risks.forms.team import ForgetForm, refuse
from risks.htmx import render_page
from risks.models import User
from risks.services.personal import export_person, pseudonymise
from risks.services.team import set_preferences
from risks.views.access import Scope, team_view
from risks.views.security import own_view
from risks.views.team import get_member_or_404


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Name, language, clock, look, and what reaches one by mail."""
    user: User = request.user  # type: ignore[assignment]
    form = ProfileForm(request.POST if request.method == "POST" else None, user=user)
    if request.method == "POST" and form.is_valid():
        set_preferences(user, **form.values())
        with override(user.language or None):
            messages.success(request, _("Saved."))
        return redirect("risks:profile")
    context: dict[str, Any] = {
        "form": form,
        "deliveries": Delivery.choices,
        "mail_works": settings.MAIL_WORKS,
        "teams": list(user.memberships.active().select_related("team").order_by("team__slug")),
        "may_make_team": rules.can_make_team(user),
    }
    return render_page(request, "risks/team/profile.html", context, status=422 if form.errors else 200)


@own_view
@never_cache
def own_data(request: HttpRequest) -> HttpResponseBase:
    """All that is kept about oneself, as a file; asked for by a form, because it is written down."""
    user: User = request.user  # type: ignore[assignment]
    if request.method != "POST":
        return render_page(request, "risks/team/data.html")
    name = f"riskreg-{user.pk}-{timezone.localdate():%Y-%m-%d}.zip"
    return FileResponse(export_person(user), as_attachment=True, filename=name)


@team_view
def member_pseudonymise(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Forget who a former member was, after their address has been typed."""
    membership = get_member_or_404(scope, pk)
    rules.check_can_pseudonymise(scope.actor, membership.user)
    form = ForgetForm(request.POST if request.method == "POST" else None, email=membership.user.email)
    if request.method == "POST" and form.is_valid():
        try:
            pseudonymise(membership.user, by=scope.actor, empty_comments=form.cleaned_data["empty_comments"])
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Nobody can tell any more who this was."))
            return redirect("risks:member-list", scope.team.slug)
    context = {"form": form, "person": membership.user, "tab": "members"}
    return render_page(request, "risks/team/pseudonymise.html", context, status=422 if form.errors else 200)

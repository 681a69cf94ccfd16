"""Registers of a team."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from risks import rules
from risks.forms.register import RegisterForm
from risks.htmx import render_page
from risks.models import Register
from risks.queries.register import RegisterFigures, register_figures
from risks.services.team import REGISTER_FIELDS, create_register, update_register
from risks.views.access import Scope, team_view
from risks.views.merge import save_merged


@team_view
def register_list(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Every register with its figures."""
    figures = register_figures(scope.team)
    rows = [(register, figures.get(register.pk, RegisterFigures())) for register in scope.registers]
    return render_page(request, "risks/register/list.html", {"rows": rows})


@team_view
def register_create(request: HttpRequest, scope: Scope) -> HttpResponse:
    rules.check_can_administer(scope.actor)
    form = RegisterForm(request.POST or None, team=scope.team)
    if request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in ("key", *REGISTER_FIELDS)}
        try:
            register = create_register(scope.team, values, by=scope.actor)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The register %(key)s is ready.") % {"key": register.key})
            return redirect("risks:register-list", scope.team.slug)
    context = {"form": form, "register": None}
    return render_page(request, "risks/register/form.html", context, status=422 if form.errors else 200)


@team_view
def register_update(request: HttpRequest, scope: Scope, key: str) -> HttpResponse:
    rules.check_can_administer(scope.actor)
    register = next((register for register in scope.registers if register.key == key), None)
    if register is None:
        raise Http404

    def form_of(now: Register, data: Any) -> RegisterForm:
        return RegisterForm(data, instance=now, team=scope.team)

    def save(form: RegisterForm) -> None:
        update_register(register, form.mine(form.cleaned_data), by=scope.actor)

    status, form = 200, form_of(register, None)
    if request.method == "POST":
        status, form = save_merged(request, register, form_of=form_of, save=save)
        if status == 200:
            messages.success(request, _("Saved."))
            return redirect("risks:register-list", scope.team.slug)
    context = {"form": form, "register": register}
    return render_page(request, "risks/register/form.html", context, status=status)

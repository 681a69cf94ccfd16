"""Registers of a team."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from risks import rules
from risks.exceptions import Invalid
from risks.exchange.archive import archive_response
from risks.forms.register import RegisterForm, RemoveForm
from risks.htmx import render_page
from risks.models import Register
from risks.queries.register import RegisterFigures, register_figures
from risks.queries.register_content import counts_of
from risks.queries.risk_list import people_by_id
from risks.services.export import record_export
from risks.services.register_life import archive_register, remove_register, restore_register
from risks.services.team import REGISTER_FIELDS, create_register, update_register
from risks.views.access import Scope, hands_out, team_view
from risks.views.merge import save_merged


@require_safe
@team_view
def register_list(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Every register with its figures."""
    figures = register_figures(scope.team)

    def with_figures(registers: list[Register]) -> list[tuple[Register, RegisterFigures]]:
        return [(register, figures.get(register.pk, RegisterFigures())) for register in registers]

    context = {
        "rows": with_figures(scope.registers),
        "archived": with_figures(scope.archived),
        "archivers": people_by_id({each.archived_by_id for each in scope.archived if each.archived_by_id}),
    }
    return render_page(request, "risks/register/list.html", context)


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
        except Invalid as error:
            form.add_error(error.field, str(error.message))
        else:
            messages.success(request, _("The register %(key)s is ready.") % {"key": register.key})
            return redirect("risks:register-list", scope.team.slug)
    context = {"form": form, "register": None}
    return render_page(request, "risks/register/form.html", context, status=422 if form.errors else 200)


@team_view
def register_update(request: HttpRequest, scope: Scope, key: str) -> HttpResponse:
    rules.check_can_administer(scope.actor)
    register = _get_register_or_404(scope, key)
    rules.check_can_edit_register(scope.actor, register)

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


def _get_register_or_404(scope: Scope, key: str) -> Register:
    """Also an archived one."""
    for register in (*scope.registers, *scope.archived):
        if register.key == key:
            return register
    raise Http404


# --- taking it out of use


@require_safe
@team_view
@hands_out
def register_export(request: HttpRequest, scope: Scope, key: str) -> HttpResponseBase:
    """Everything of a register as one ZIP."""
    register = _get_register_or_404(scope, key)
    name = f"{register.key}-{timezone.localdate()}.zip"
    record_export(register, name, by=scope.actor)
    return archive_response(register, name, by=scope.actor)


@team_view
def register_archive(request: HttpRequest, scope: Scope, key: str) -> HttpResponse:
    """Archive a register, after saying what that means."""
    register = _get_register_or_404(scope, key)
    rules.check_can_archive_register(scope.actor, register)
    if request.method == "POST":
        archive_register(register, by=scope.actor)
        messages.success(request, _("The register %(key)s is archived.") % {"key": register.key})
        return redirect("risks:register-list", scope.team.slug)
    return render_page(request, "risks/register/archive.html", {"register": register})


@require_POST
@team_view
def register_restore(request: HttpRequest, scope: Scope, key: str) -> HttpResponse:
    register = restore_register(_get_register_or_404(scope, key), by=scope.actor)
    messages.success(request, _("The register %(key)s is in use again.") % {"key": register.key})
    return redirect("risks:register-list", scope.team.slug)


@team_view
def register_remove(request: HttpRequest, scope: Scope, key: str) -> HttpResponse:
    """Remove an archived register with everything in it, for whoever types its key."""
    register = _get_register_or_404(scope, key)
    rules.check_can_remove_register(scope.actor, register)
    form = RemoveForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            remove_register(register, typed_key=form.cleaned_data["key"], by=scope.actor)
        except Invalid as error:
            form.add_error(error.field, str(error.message))
        else:
            messages.success(
                request, _("The register %(key)s is removed with everything in it.") % {"key": register.key}
            )
            return redirect("risks:register-list", scope.team.slug)
    context = {"register": register, "form": form, "counts": counts_of(register)}
    return render_page(request, "risks/register/remove.html", context, status=422 if form.errors else 200)

"""Reports: the page to choose one, and the PDF of a month, made while its reader waits."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from risks.enums import Verb
from risks.forms.report import ReportForm
from risks.htmx import render_page
from risks.reports.monthly import TooManyRisks, make_report
from risks.reports.pdf import PdfUnavailable, missing_libraries
from risks.services.export import record_export
from risks.views.access import Scope, hands_out, team_view


@require_safe
@team_view
def report_new(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Choose register, month and language."""
    initial = {"register": scope.register.key if scope.register else None, "language": get_language()}
    return _page(request, _form(scope, initial=initial))


@require_safe
@team_view
@hands_out
def report_download(request: HttpRequest, scope: Scope) -> HttpResponse:
    """The PDF as a file; whatever stands against it is said on the form, with what was chosen."""
    form = _form(scope, data=request.GET)
    if not form.is_valid():
        return _page(request, form, status=422)
    register, month, language = (
        form.chosen_register,
        form.cleaned_data["month"],
        form.cleaned_data["language"],
    )
    try:
        pdf = make_report(register, month, language, prepared_by=scope.user, now=timezone.now())
    except TooManyRisks as refusal:
        form.add_error("register", str(refusal.message))
        return _page(request, form, status=422, too_large=register)
    except PdfUnavailable as refusal:
        return _page(request, form, status=503, unavailable=str(refusal.message))
    name = f"{register.key}-{month:%Y-%m}-{language}.pdf"
    record_export(
        register, name, by=scope.actor, verb=Verb.DOWNLOADED,
        asked={"month": f"{month:%Y-%m}", "language": language},
    )  # fmt: skip
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(pdf, content_type="application/pdf", headers=headers)


def _form(scope: Scope, **kwargs: Any) -> ReportForm:
    chosen = scope.register
    registers = [*scope.registers, *([chosen] if chosen and chosen.is_archived else [])]
    return ReportForm(registers=registers, chosen=chosen, today=timezone.localdate(), **kwargs)


def _page(request: HttpRequest, form: ReportForm, *, status: int = 200, **context: Any) -> HttpResponse:
    if missing_libraries():
        context.setdefault("unavailable", str(PdfUnavailable().message))
    context = {
        "form": form,
        "too_large": None,
        "unavailable": "",
        "limit": settings.REPORT_MAX_RISKS,
        **context,
    }
    return render_page(request, "risks/report/new.html", context, status=status)

"""Scoring a risk on the matrix."""

from __future__ import annotations

import json

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import Kind
from risks.exceptions import Conflict, Invalid
from risks.forms.scoring import AssessmentForm
from risks.models import Risk
from risks.models.translated import Text
from risks.services.assessment import assess_risk
from risks.views.access import Scope, get_risk_or_404, team_view
from risks.views.dialog import render_act


@team_view
def risk_assess(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    """Put the risk at a cell of the matrix, for one of the three kinds.

    Answers htmx with nothing but the event `risk-assessed`; a form posted by hand leads back to the risk.
    """
    risk = get_risk_or_404(scope, code)
    rules.check_can_assess_risk(scope.actor, risk)
    kind = _kind(request.POST.get("kind") or request.GET.get("kind") or Kind.RESIDUAL)
    matrix = scope.matrix_of(risk.register_id)
    initial = {"cell": risk.position(kind), "seen_rank": getattr(risk, f"{kind}_rank")}
    form = AssessmentForm(request.POST or None, risk=risk, matrix=matrix, initial=initial)
    status = 200
    if request.method == "POST":
        status = _assess(form, risk, kind, scope) if form.is_valid() else 422
        if status == 200:
            return _done(request, scope, risk, kind)
    heading = _("Score %(code)s") % {"code": risk.code}
    level_before = getattr(risk, f"{kind}_level")
    context = {"form": form, "risk": risk, "kind": kind, "kinds": Kind, "level_before": level_before}
    return render_act(request, "risks/scoring/assess.html", heading, context, status=status)


def _kind(value: str) -> Kind:
    try:
        return Kind(value)
    except ValueError:
        raise Http404 from None


def _assess(form: AssessmentForm, risk: Risk, kind: Kind, scope: Scope) -> int:
    """The status: 200 when it is written, else the form says what is wrong."""
    probability, impact = form.cleaned_data["cell"]
    reason = Text.of(form.cleaned_data["reason"])
    seen_rank = form.cleaned_data["seen_rank"]
    try:
        assess_risk(risk, kind, probability, impact, by=scope.actor, reason=reason, seen_rank=seen_rank)
    except Invalid as error:
        form.add_error(error.field, str(error.message))
        return 422
    except Conflict as error:
        form.add_error(None, str(error.message))
        form.see(getattr(risk, f"{kind}_rank"))
        return 409
    return 200


def _done(request: HttpRequest, scope: Scope, risk: Risk, kind: Kind) -> HttpResponse:
    messages.success(request, _("%(code)s is scored.") % {"code": risk.code})
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(headers={"HX-Trigger": json.dumps({"risk-assessed": {"code": risk.code}})})
    return redirect("risks:risk-detail", scope.team.slug, risk.code)

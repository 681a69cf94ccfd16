"""The library as everybody may read it; it is edited in the admin site."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from risks.htmx import render_page
from risks.models import Category, Template
from risks.models.search import words
from risks.queries.library import suggested_cell
from risks.queries.matrix import load_matrix
from risks.views.access import Scope, team_view


@require_safe
@team_view
def library(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Templates by category, narrowed by words and category."""
    query, category = request.GET.get("q", ""), request.GET.get("category", "")
    categories = list(Category.objects.available_to(scope.team).filter(parent=None))
    if category and category not in {each.key for each in categories}:
        raise Http404
    templates = Template.objects.available_to(scope.team).select_related("category", "subcategory")
    if category:
        templates = templates.filter(category__key=category)
    ordered = templates.order_by("category__position", "code")
    found = [template for template in ordered if _matches(template, query)]
    context = {"templates": found, "categories": categories, "category": category, "query": query}
    return render_page(request, "risks/library/list.html", context)


def _matches(template: Template, query: str) -> bool:
    text = " ".join(words(f"{template.code} {template.title_en} {template.title_zh} {template.event}"))
    return all(" ".join(words(term)) in text for term in query.split())


@require_safe
@team_view
def library_template(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """One template with all it would fill in."""
    template = (
        Template.objects.available_to(scope.team)
        .filter(pk=pk)
        .select_related("category", "subcategory")
        .prefetch_related("mitigations", "indicators", "references")
        .first()
    )
    if template is None:
        raise Http404
    shown = scope.shown_registers
    matrix = load_matrix(shown[0].matrix) if shown else None
    position = suggested_cell(template, matrix.grid) if matrix else None
    context = {"template": template, "matrix": matrix, "position": position}
    return render_page(request, "risks/library/detail.html", context)

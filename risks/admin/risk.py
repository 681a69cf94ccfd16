"""Risks, mitigations and the audit trail: to look at, with a link to the page where they are changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from risks.admin.base import ReadOnlyAdmin
from risks.models import AuditEvent, Mitigation, Risk


def risk_url(risk: Risk) -> str:
    return reverse("risks:risk-detail", args=[risk.team.slug, risk.code])


@admin.register(Risk)
class RiskAdmin(ReadOnlyAdmin):
    list_display = ("code", "title", "register", "category", "owner", "state", "level", "page")
    list_filter = ("state", "residual_level", "register", ("category", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("team", "register", "category", "owner")
    search_fields = ("code", "title_en", "title_zh")
    exclude = ("team", "active")

    @admin.display(description=_("title"))
    def title(self, risk: Risk) -> str:
        return risk.title

    @admin.display(description=_("level"), ordering="residual_rank")
    def level(self, risk: Risk) -> str:
        return risk.get_residual_level_display() or ""

    @admin.display(description=_("page"))
    def page(self, risk: Risk) -> str:
        return format_html('<a href="{}">{}</a>', risk_url(risk), _("Open page"))

    def view_on_site(self, risk: Risk) -> str:
        return risk_url(risk)


@admin.register(Mitigation)
class MitigationAdmin(ReadOnlyAdmin):
    list_display = ("title", "kind", "risk", "owner", "state", "due_date", "page")
    list_filter = ("kind", "state", "register")
    list_select_related = ("team", "risk__team", "owner")
    search_fields = ("title_en", "title_zh", "risk__code")
    exclude = ("team", "pending", "due_order")

    @admin.display(description=_("title"))
    def title(self, mitigation: Mitigation) -> str:
        return mitigation.title

    @admin.display(description=_("page"))
    def page(self, mitigation: Mitigation) -> str:
        return format_html('<a href="{}">{}</a>', risk_url(mitigation.risk), _("Open page"))

    def view_on_site(self, mitigation: Mitigation) -> str:
        return risk_url(mitigation.risk)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("happened_at", "actor", "verb", "object_label", "team", "register")
    list_filter = ("verb", "origin", "team")
    list_select_related = ("actor", "team", "register")
    search_fields = ("object_label", "reason")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("changes")

"""Risks, mitigations and the trail: to look at, with a link to the page where they are changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from risks.admin.base import ReadOnlyAdmin, matrix_of
from risks.enums import Verb
from risks.formatting import moment
from risks.models import AuditEvent, Mitigation, Risk
from risks.queries.activity import Reader, describe


def risk_url(risk: Risk) -> str:
    return reverse("risks:risk-detail", args=[risk.team.slug, risk.code])


@admin.register(Risk)
class RiskAdmin(ReadOnlyAdmin):
    list_display = ("code", "title", "register", "category", "owner", "state", "level", "page")
    list_filter = ("state", "register", ("category", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("team", "register", "category", "owner")
    search_fields = ("code", "title_en", "title_zh")
    fields = (
        "code", "title_en", "title_zh", "register", "category", "subcategory", "owner", "state", "level",
        "strategy", "next_review_date", "template", "logged_at", "updated_at",
    )  # fmt: skip
    readonly_fields = ("level",)

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
    fields = (
        "risk", "kind", "title_en", "title_zh", "trigger_en", "trigger_zh", "owner", "state", "progress",
        "start_date", "due_date", "done_date", "cost_amount",
    )  # fmt: skip

    @admin.display(description=_("title"))
    def title(self, mitigation: Mitigation) -> str:
        return mitigation.title

    @admin.display(description=_("page"))
    def page(self, mitigation: Mitigation) -> str:
        return format_html('<a href="{}">{}</a>', risk_url(mitigation.risk), _("Open page"))

    def view_on_site(self, mitigation: Mitigation) -> str:
        return risk_url(mitigation.risk)


class VerbFilter(admin.SimpleListFilter):
    title, parameter_name = _("act"), "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Verb.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("when", "who", "what", "about", "team_name", "register_name")
    list_filter = (VerbFilter,)
    list_select_related = ("actor", "team", "register")
    search_fields = ("object_label", "reason")
    fields = ("when", "who", "what", "about", "team_name", "register_name", "why", "changed")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        return super().get_queryset(request).defer("changes")

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A line has no history: it never changes."""
        raise Http404

    @admin.display(description=_("when"), ordering="happened_at")
    def when(self, event: AuditEvent) -> str:
        return moment(event.happened_at)

    @admin.display(description=_("who"), ordering="actor")
    def who(self, event: AuditEvent) -> str:
        return str(event.actor or event.get_origin_display())

    @admin.display(description=_("act"), ordering="verb")
    def what(self, event: AuditEvent) -> str:
        return event.get_verb_display()

    @admin.display(description=_("about"))
    def about(self, event: AuditEvent) -> str:
        return event.object_label

    @admin.display(description=_("team"), ordering="team")
    def team_name(self, event: AuditEvent) -> str:
        return str(event.team)

    @admin.display(description=_("register"), ordering="register")
    def register_name(self, event: AuditEvent) -> str:
        return str(event.register or "")

    @admin.display(description=_("reason"))
    def why(self, event: AuditEvent) -> str:
        return event.reason

    @admin.display(description=_("changes"))
    def changed(self, event: AuditEvent) -> str:
        [line] = describe([event], Reader(matrix_of=matrix_of))
        return "\n".join(change.text for change in line.changes)

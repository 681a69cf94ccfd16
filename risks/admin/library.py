"""The taxonomy and the risk templates."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import translation
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from risks.admin.base import ModelAdmin, ModelForm, RowFormSet, TabularInline, Tracked, count_of, operator_of
from risks.admin.roundtrip import RoundTrip
from risks.models import (
    Category,
    Matrix,
    Risk,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    TemplateReference,
)
from risks.queries.library import suggested_cell
from risks.queries.matrix import load_matrix
from risks.services.history import save_recorded
from risks.services.library import duplicate_template

# --- taxonomy


class CategoryForm(ModelForm):
    def clean_parent(self) -> Category | None:
        parent: Category | None = self.cleaned_data["parent"]
        if parent and self.instance.pk and self.instance.subcategories.exists():
            raise forms.ValidationError(
                _("This category has subcategories of its own, and the taxonomy has two levels.")
            )
        return parent

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        parent = cleaned.get("parent")
        if parent and parent.team_id not in (None, getattr(cleaned.get("team"), "pk", None)):
            self.add_error("parent", _("This category belongs to another team."))
        return cleaned


@admin.register(Category)
class CategoryAdmin(Tracked, ModelAdmin):
    form = CategoryForm
    list_display = (
        "name_in_tree", "name_zh", "key", "tone_badge", "position", "is_active",
        "used_by_templates", "used_by_risks",
    )  # fmt: skip
    list_filter = ("is_active", ("parent", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("parent",)
    search_fields = ("key", "name_en", "name_zh", "description_en", "description_zh")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name_en", "name_zh"), ("parent", "key"), ("tone", "position"), ("team", "is_active"),
                )
            },
        ),
        (
            gettext_lazy("What it means"),
            {"fields": (("description_en", "description_zh"), ("response_en", "response_zh"))},
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                templates_count=count_of(Template, "category") + count_of(Template, "subcategory"),
                risks_count=count_of(Risk, "category") + count_of(Risk, "subcategory"),
            )
        )

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Each category with its subcategories below it."""
        return [
            Coalesce("parent__position", "position"),
            Coalesce("parent", "id"),
            F("parent").asc(nulls_first=True),
            "position",
        ]

    @admin.display(description=gettext_lazy("name (English)"), ordering="name_en")
    def name_in_tree(self, category: Category) -> str:
        name = category.name_en or category.name_zh
        return format_html('<span class="subcategory">{}</span>', name) if category.parent_id else name

    @admin.display(description=gettext_lazy("colour"), ordering="tone")
    def tone_badge(self, category: Category) -> str:
        return format_html(
            '<span class="level tone-{}">{}</span>', category.tone, category.get_tone_display()
        )

    @admin.display(description=gettext_lazy("templates"), ordering="templates_count")
    def used_by_templates(self, category: Any) -> str:
        field = "subcategory" if category.parent_id else "category"
        url = reverse("admin:risks_template_changelist")
        return format_html(
            '<a href="{}?{}__id__exact={}">{}</a>', url, field, category.pk, category.templates_count
        )

    @admin.display(description=gettext_lazy("risks"), ordering="risks_count")
    def used_by_risks(self, category: Any) -> int:
        return category.risks_count


# --- templates


class PartForm(ModelForm):
    """A row that belongs to a template; without a place of its own it goes to the end."""

    position = forms.IntegerField(label=gettext_lazy("order"), required=False, min_value=0, max_value=32_767)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial["position"] = None

    def clean_position(self) -> int:
        return self.cleaned_data["position"] or 0


class PartFormSet(RowFormSet):
    def save_new(self, form: Any, commit: bool = True) -> Any:
        if not form.instance.position:
            places = type(form.instance).objects.filter(template=self.instance)
            last = places.order_by("-position").values_list("position", flat=True).first()
            form.instance.position = (last or 0) + 1
        return super().save_new(form, commit)


class MitigationInline(TabularInline):
    model = TemplateMitigation
    form, formset = PartForm, PartFormSet
    fields = ("position", "kind", "title_en", "title_zh", "trigger_en", "trigger_zh")


class IndicatorInline(TabularInline):
    model = TemplateIndicator
    form, formset = PartForm, PartFormSet
    fields = ("position", "name_en", "name_zh", "unit_en", "unit_zh", "bad_when", "amber", "red")


class ReferenceInline(TabularInline):
    model = TemplateReference
    verbose_name_plural = gettext_lazy("sources")
    fields = ("source", "items")


class SubcategoryField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.parent} › {obj}"


@admin.register(Template)
class TemplateAdmin(RoundTrip):
    list_display = ("code", "title_en", "title_zh", "kind", "strategy", "is_active", "used_by")
    list_display_links = ("code", "title_en", "title_zh")
    list_filter = (
        "category",
        "subcategory",
        "is_active",
        "strategy",
        ("team", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("category", "subcategory")
    search_fields = (
        "code", "title_en", "title_zh", "cause_en", "cause_zh", "event_en", "event_zh",
        "consequence_en", "consequence_zh",
    )  # fmt: skip
    search_help_text = gettext_lazy("Code, title or statement, in either language")
    actions = ("duplicate", "offer", "stop_offering", "export_csv", "export_json")
    inlines = (MitigationInline, IndicatorInline, ReferenceInline)
    change_form_template = "admin/risks/template/change_form.html"
    save_on_top = True
    fieldsets = (
        (
            gettext_lazy("What it is"),
            {
                "fields": (
                    ("title_en", "title_zh"), ("category", "subcategory"), ("code", "team"), "is_active",
                )
            },
        ),
        (
            gettext_lazy("Statement"),
            {
                "fields": (
                    ("cause_en", "cause_zh"), ("event_en", "event_zh"), ("consequence_en", "consequence_zh"),
                )
            },
        ),
        (
            gettext_lazy("How often and how bad"),
            {
                "description": gettext_lazy(
                    "Yearly frequency; impact as a share of the yearly budget, with nine cases out of ten "
                    "between its ends. 0.2 is 20 %."
                ),
                "fields": (
                    ("frequency_kind", "frequency_low", "frequency_high"),
                    ("frequency_reason_en", "frequency_reason_zh"),
                    ("impact_low", "impact_likely", "impact_high"),
                    ("impact_reason_en", "impact_reason_zh"),
                ),
            },
        ),
        (gettext_lazy("Response"), {"fields": ("strategy",)}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Template]:
        return super().get_queryset(request).annotate(risks_count=count_of(Risk, "template"))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "subcategory":
            kwargs["form_class"] = SubcategoryField
            kwargs["queryset"] = (
                Category.objects.filter(parent__isnull=False)
                .select_related("parent")
                .order_by("parent__position", "parent", "position")
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Which risks use a template is told across teams, so only to superusers; others read the number."""
        if self.admin_site._registry[Risk].has_view_permission(request):
            return (*self.list_display[:-1], self.used_by_linked)
        return self.list_display

    @admin.display(description=gettext_lazy("category"), ordering="category__position")
    def kind(self, template: Template) -> str:
        return (
            f"{template.category} › {template.subcategory}"
            if template.subcategory
            else str(template.category)
        )

    @admin.display(description=gettext_lazy("used by"), ordering="risks_count")
    def used_by(self, template: Any) -> str:
        number = template.risks_count
        return ngettext("%(number)d risk", "%(number)d risks", number) % {"number": number}

    @admin.display(description=gettext_lazy("used by"), ordering="risks_count")
    def used_by_linked(self, template: Any) -> str:
        if not template.risks_count:
            return self.used_by(template)
        url = reverse("admin:risks_risk_changelist")
        return format_html(
            '<a href="{}?template__id__exact={}">{}</a>', url, template.pk, self.used_by(template)
        )

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<path:object_id>/duplicate/",
                wrap(require_POST(self.duplicate_view)),
                name="risks_template_duplicate",
            ),
            path("<path:object_id>/preview/", wrap(self.preview_view), name="risks_template_preview"),
            *super().get_urls(),
        ]

    def duplicate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        template = self.get_object(request, unquote(object_id))
        if template is None:
            return self.unknown(request, object_id)
        copy = self._duplicate(request, template)
        messages.success(
            request,
            _("This is the copy, %(code)s. It is not offered until you switch it on.") % {"code": copy.code},
        )
        return HttpResponseRedirect(reverse("admin:risks_template_change", args=[copy.pk]))

    def _duplicate(self, request: HttpRequest, template: Template) -> Template:
        copy = duplicate_template(template, by=operator_of(request, template))
        self.log_addition(request, copy, _("Copied from %(code)s.") % {"code": template.code})
        return copy

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The template as its readers see it, in both languages side by side."""
        template = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, template):
            raise PermissionDenied
        if template is None:
            return self.unknown(request, object_id)
        default = Matrix.objects.filter(team=None, is_active=True).first()
        matrix = load_matrix(default) if default else None
        position = suggested_cell(template, matrix.grid) if matrix else None
        shown = {"template": template, "matrix": matrix, "position": position, "matrix_name": default}
        renderings = []
        for language, name in settings.LANGUAGES:
            with translation.override(language):
                html = render_to_string("admin/risks/template/_preview.html", shown)
            renderings.append({"language": language, "name": name, "html": html})
        context = {
            **self.admin_site.each_context(request),
            "title": _("Preview"), "subtitle": str(template), "opts": self.opts, "original": template,
            "renderings": renderings,
        }  # fmt: skip
        return TemplateResponse(request, "admin/risks/template/preview.html", context)

    @admin.action(description=gettext_lazy("Duplicate the selected templates"), permissions=["add"])
    def duplicate(self, request: HttpRequest, queryset: QuerySet[Template]) -> None:
        copies = [self._duplicate(request, template) for template in queryset]
        messages.success(
            request,
            ngettext("%(number)d copy was made.", "%(number)d copies were made.", len(copies))
            % {"number": len(copies)}
            + " "
            + _("Copies are not offered until you switch them on."),
        )

    @admin.action(description=gettext_lazy("Offer the selected templates"), permissions=["change"])
    def offer(self, request: HttpRequest, queryset: QuerySet[Template]) -> None:
        self._switch(request, queryset, on=True)

    @admin.action(description=gettext_lazy("Stop offering the selected templates"), permissions=["change"])
    def stop_offering(self, request: HttpRequest, queryset: QuerySet[Template]) -> None:
        self._switch(request, queryset, on=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Template], *, on: bool) -> None:
        switched = list(queryset.filter(is_active=not on))
        with transaction.atomic():
            for template in switched:
                template.is_active = on
                save_recorded(template, by=operator_of(request, template))
        message = _("Offered.") if on else _("No longer offered.")
        LogEntry.objects.log_actions(request.user.pk, switched, CHANGE, change_message=message)  # type: ignore[arg-type]
        number = len(switched)
        messages.success(
            request,
            ngettext("%(number)d template was switched.", "%(number)d templates were switched.", number)
            % {"number": number},
        )

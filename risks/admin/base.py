"""What the modules of the admin share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse

from risks.models import AuditEvent, Register
from risks.queries.activity import Named, Reader, describe
from risks.queries.matrix import LoadedMatrix, load_matrix
from risks.rules import Actor
from risks.services.history import Content, delete_recorded, record_content, save_changed

FIELD_OF_CONSTRAINT = {
    "risks_category_key_once": "key",
    "risks_category_has_name": "name_en",
    "risks_category_not_its_parent": "parent",
    "risks_template_code_once": "code",
    "risks_template_has_title": "title_en",
    "risks_template_frequency_range": "frequency_low",
    "risks_template_probability_share": "frequency_high",
    "risks_template_impact_range": "impact_low",
    "risks_templatemitigation_has_title": "title_en",
    "risks_templatemitigation_has_trigger": "trigger_en",
    "risks_templateindicator_has_name": "name_en",
    "risks_templateindicator_thresholds": "red",
    "risks_matrix_version_once": "key",
    "risks_matrix_has_name": "name_en",
    "risks_matrixstep_range": "high",
    "risks_matrixstep_has_name": "name_en",
    "risks_matrixlevel_has_name": "name_en",
    "risks_team_has_name": "name_en",
    "risks_register_key_once": "key",
    "risks_register_has_name": "name_en",
    "risks_register_budget_positive": "budget_amount",
    "risks_membership_once": "user",
    "risks_user_email_once": "email",
}
"""The field to mend when a constraint is broken; its message stands there instead of on top of the form."""


class FieldErrors:
    """A mixin of model forms: puts the message of a broken constraint at the field it speaks of."""

    def add_error(self, field: str | None, error: Any) -> None:
        if field is None and hasattr(error, "error_dict"):
            error = ValidationError(self._at_fields(error.error_dict))
        super().add_error(field, error)  # type: ignore[misc]

    def _at_fields(self, errors: dict[str, list[ValidationError]]) -> dict[str, list[ValidationError]]:
        constraints = self._meta.model._meta.constraints  # type: ignore[attr-defined]
        fields = {c.get_violation_error_message(): FIELD_OF_CONSTRAINT.get(c.name, "") for c in constraints}
        moved: dict[str, list[ValidationError]] = {}
        for name, found in errors.items():
            for error in found:
                place = fields.get(str(error.message), "") if name == NON_FIELD_ERRORS else name
                place = place if place in self.fields else NON_FIELD_ERRORS  # type: ignore[attr-defined]
                moved.setdefault(place, []).append(error)
        return moved


class ModelForm(FieldErrors, forms.ModelForm):
    pass


class SafeChangeList(ChangeList):
    """Answers a filter on NUL, which PostgreSQL refuses, like any other filter that makes no sense."""

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        if any("\0" in str(value) for values in found.values() for value in values):
            raise IncorrectLookupParameters
        return found


_LINES = 50


class SafeLists:
    """A mixin of every ModelAdmin of ours."""

    object_history_template: Any = "admin/risks/object_history.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SafeChangeList

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The trail of the record, whoever wrote it from wherever; not the admin site's own log."""
        response: Any = super().history_view(request, object_id, extra_context)  # type: ignore[misc]
        obj = getattr(response, "context_data", {}).get("object")
        if obj is None:
            return response  # unknown: to the index, with a message
        kind = obj._meta.model_name
        events = AuditEvent.objects.filter(object_type=kind, object_id=obj.pk).order_by("-happened_at", "-id")
        pages = Paginator(events, _LINES)
        page = pages.get_page(request.GET.get("p", 1))
        reader = Reader(matrix_of=matrix_of, objects={(kind, obj.pk): Named(str(obj))})
        response.context_data |= {
            "lines": describe(list(page), reader),
            "action_list": page,
            "page_range": pages.get_elided_page_range(page.number),
            "page_var": "p",
            "pagination_required": pages.num_pages > 1,
        }
        return response


def matrix_of(register_id: int | None) -> LoadedMatrix | None:
    """The matrix of a register that is still there."""
    if register_id is None:
        return None
    register = Register.objects.select_related("matrix").filter(pk=register_id).first()
    return load_matrix(register.matrix) if register else None


class Tracked:
    """A mixin of the ModelAdmins of what keeps its history: saves through the service that keeps it."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        form.content_before = Content.of(obj)
        save_changed(obj, form.content_before, by=operator_of(request, obj))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Writes the line once the rows that belong to the record are saved too."""
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        self.save_parts(request, form)
        record_content(form.instance, form.content_before, by=operator_of(request, form.instance))

    def save_parts(self, request: HttpRequest, form: Any) -> None:
        """Rows that are not those of an inline."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        delete_recorded(obj, by=operator_of(request, obj))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for obj in queryset:
            delete_recorded(obj, by=operator_of(request, obj))


def operator_of(request: HttpRequest, obj: Any) -> Actor:
    """Who acts in the admin site, for the team the object belongs to if it belongs to one."""
    return Actor.operator(request.user, getattr(obj, "team_id", None))  # type: ignore[arg-type]


class ModelAdmin(SafeLists, admin.ModelAdmin):
    """Texts in both languages side by side: name the pair of fields in one tuple of a fieldset."""

    form = ModelForm
    formfield_overrides = {models.TextField: {"widget": forms.Textarea(attrs={"rows": 3})}}

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return in_its_language(super().formfield_for_dbfield(db_field, request, **kwargs), db_field)

    def unknown(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Django's own answer to the address of a row that does not exist: to the index, with a message."""
        answer: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        return answer


class RowFormSet(forms.BaseInlineFormSet):
    """Rows whose inputs say their column and number to those who do not see the table's head."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for field in form.fields.values():
            # The wrapper of a related field, once copied, still holds the attrs of the original.
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs["aria-label"] = f"{field.label} {'' if index is None else index + 1}".strip()


class TabularInline(admin.TabularInline):
    """Compact rows, long texts on two lines; one empty row is there without JavaScript too."""

    form, formset = ModelForm, RowFormSet
    extra = 1

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if isinstance(db_field, models.CharField) and (db_field.max_length or 0) > 100:
            kwargs["widget"] = forms.Textarea(attrs={"rows": 2})
        return in_its_language(super().formfield_for_dbfield(db_field, request, **kwargs), db_field)


class ReadOnlyAdmin(SafeLists, admin.ModelAdmin):
    """A list of rows of all teams, so only for superusers, and only to look at: nobody writes here."""

    show_full_result_count = False
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def in_its_language(field: Any, db_field: models.Field[Any, Any]) -> Any:
    """Marks the input of a Chinese text as Chinese, for fonts and screen readers."""
    if field is not None and db_field.name.endswith("_zh"):
        field.widget.attrs["lang"] = "zh-Hans"
    return field


def count_of(model: type[models.Model], field: str) -> Coalesce:
    """How many rows of the model point by `field` at the row of the list: an annotation without a join."""
    rows = (
        model._default_manager.filter(**{field: models.OuterRef("pk")})
        .order_by()
        .values(field)
        .annotate(number=models.Count("pk"))
        .values("number")
    )
    return Coalesce(models.Subquery(rows), 0)

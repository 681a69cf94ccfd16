"""Teams with their members and registers, and the people themselves."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from risks.admin.base import (
    FieldErrors,
    ModelAdmin,
    ModelForm,
    RowFormSet,
    SafeLists,
    Tracked,
    count_of,
    operator_of,
)
from risks.models import Membership, Register, Risk, Team, User
from risks.rules import Actor
from risks.services.history import save_recorded
from risks.services.team import REGISTER_FIELDS, create_register, has_assessments, update_register


class MembershipInline(admin.TabularInline):
    model = Membership
    form, formset = ModelForm, RowFormSet
    extra = 1
    can_delete = False  # somebody who leaves becomes inactive; what they did stays

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "team")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "user":
            field.choices = list(field.choices)  # read once, not for every row
        return field


@admin.register(Team)
class TeamAdmin(Tracked, ModelAdmin):
    list_display = ("name_en", "name_zh", "slug", "members_count", "registers_count")
    list_display_links = ("name_en", "name_zh")
    search_fields = ("slug", "name_en", "name_zh")
    inlines = (MembershipInline,)
    fieldsets = ((None, {"fields": (("name_en", "name_zh"), "slug")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        return False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for membership in formset.save(commit=False):
            save_recorded(membership, by=operator_of(request, membership))
        formset.save_m2m()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                members_number=count_of(Membership, "team"), registers_number=count_of(Register, "team")
            )
        )

    @admin.display(description=_("members"), ordering="members_number")
    def members_count(self, team: Any) -> int:
        return team.members_number

    @admin.display(description=_("registers"), ordering="registers_number")
    def registers_count(self, team: Any) -> int:
        return team.registers_number


class RegisterForm(ModelForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        matrix, team = cleaned.get("matrix"), cleaned.get("team") or getattr(self.instance, "team", None)
        if matrix and matrix.team_id not in (None, getattr(team, "pk", None)):
            self.add_error("matrix", _("This matrix belongs to another team."))
        return cleaned


@admin.register(Register)
class RegisterAdmin(ModelAdmin):
    """Writes through the services, so that the team sees in its own trail what was done here."""

    form = RegisterForm
    list_display = ("key", "name_en", "name_zh", "team", "matrix", "risks_count")
    list_display_links = ("key", "name_en", "name_zh")
    list_filter = ("team", "matrix")
    list_select_related = ("team", "matrix")
    search_fields = ("key", "name_en", "name_zh")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name_en", "name_zh"), ("description_en", "description_zh"), ("team", "key"), "matrix",
                    ("budget_amount", "currency"),
                )
            },
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Register]:
        return super().get_queryset(request).annotate(risks_number=count_of(Risk, "register"))

    @admin.display(description=_("risks"), ordering="risks_number")
    def risks_count(self, register: Any) -> int:
        return register.risks_number

    def get_readonly_fields(self, request: HttpRequest, obj: Register | None = None) -> tuple[str, ...]:
        """Codes and scores refer to key, team and matrix; they stay."""
        if obj is None:
            return ()
        return ("team", "key", "matrix") if has_assessments(obj) else ("team", "key")

    def save_model(self, request: HttpRequest, obj: Register, form: Any, change: bool) -> None:
        by = Actor.operator(request.user, obj.team_id)  # type: ignore[arg-type]
        values = {
            name: value for name, value in form.cleaned_data.items() if name in (*REGISTER_FIELDS, "key")
        }
        saved = update_register(obj, values, by=by) if change else create_register(obj.team, values, by=by)
        obj.pk, obj._state.adding = saved.pk, False


class PersonForm(FieldErrors):
    """What both forms of a person share."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()


class PersonAddForm(PersonForm, AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")


class PersonChangeForm(PersonForm, UserChangeForm):
    language = forms.ChoiceField(
        label=_("language"), choices=[("", _("As the browser")), *settings.LANGUAGES], required=False
    )

    class Meta:
        model = User
        fields = "__all__"


@admin.register(User)
class PersonAdmin(SafeLists, UserAdmin):
    form, add_form = PersonChangeForm, PersonAddForm
    list_display = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Person"), {"fields": ("name", "language", "theme")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Times"), {"fields": ("joined_at", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")},
        ),
    )
    filter_horizontal = ()
    _rights = ("is_staff", "is_superuser", "groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only a superuser gives rights, and nobody locks oneself out."""
        fixed = ("joined_at", "last_login")
        if not request.user.is_superuser:
            return (*fixed, *self._rights)
        return (*fixed, "is_active", "is_staff", "is_superuser") if obj == request.user else fixed

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never: somebody who leaves is switched off, and what they did stays."""
        return False

    def _may_touch(self, request: HttpRequest, obj: User | None) -> bool:
        return obj is None or not obj.is_superuser or request.user.is_superuser

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:  # or the old address would still sign in
            EmailAddress.objects.filter(user=obj).exclude(email=obj.email).delete()

"""Teams with their members and registers, and the people themselves."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext_lazy as _

from risks.admin.base import (
    FieldErrors,
    ModelAdmin,
    ModelForm,
    RowFormSet,
    SafeLists,
    count_of,
)
from risks.enums import Role, Secured, Verb
from risks.exceptions import DomainError
from risks.forms.team import ForgetForm, refuse
from risks.models import Membership, Register, Risk, Team, User
from risks.queries.people import active_administrators, own_teams
from risks.rules import LAST_ADMINISTRATOR, Actor, check_can_pseudonymise
from risks.services.audit import record
from risks.services.history import save_recorded
from risks.services.membership import add_member, change_role, deactivate
from risks.services.personal import pseudonymise
from risks.services.team import REGISTER_FIELDS, create_register, has_assessments, update_register


class MembershipForm(ModelForm):
    """A row of the team: who it is stays, role and activity change."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].disabled = self.instance.pk is not None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        left = self.instance.pk and not self.initial["is_active"] and not cleaned.get("is_active")
        if left and "role" in self.changed_data:
            self.add_error("role", _("This person has left the team."))
        return cleaned


class MembershipFormSet(RowFormSet):
    def clean(self) -> None:
        """Somebody must remain who can let others in."""
        super().clean()
        if any(self.errors):
            return
        rows = [form.cleaned_data for form in self.forms if form.cleaned_data.get("user")]
        before = Membership.objects.active().filter(team=self.instance.pk or 0, role=Role.ADMINISTRATOR)
        if before.exists() and not any(
            row["role"] == Role.ADMINISTRATOR and row["is_active"] and row["user"].is_active for row in rows
        ):
            raise ValidationError(LAST_ADMINISTRATOR)


class MembershipInline(admin.TabularInline):
    model = Membership
    form, formset = MembershipForm, MembershipFormSet
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
class TeamAdmin(ModelAdmin):
    list_display = ("name_en", "name_zh", "slug", "members_count", "registers_count")
    list_display_links = ("name_en", "name_zh")
    search_fields = ("slug", "name_en", "name_zh")
    inlines = (MembershipInline,)
    fieldsets = ((None, {"fields": (("name_en", "name_zh"), "slug", "requires_second_factor")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        """In the trail of the team itself; a new one has to be there first."""
        if change:
            save_recorded(obj, by=operator_of_team(request, obj))
        else:
            obj.save()
            record(Verb.CREATED, obj, by=operator_of_team(request, obj))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """By the services that the members' own page uses; whoever becomes administrator comes first."""
        formset.save(commit=False)
        by = operator_of_team(request, form.instance)
        changed = [each for each in formset.forms if each.has_changed()]
        for each in sorted(changed, key=lambda each: each.cleaned_data["role"] != Role.ADMINISTRATOR):
            _save_member(form.instance, each, by)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Without the members, whose names have no place in a log; the trail has them by number."""
        return super().construct_change_message(request, form, [], add)

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


def operator_of_team(request: HttpRequest, team: Team) -> Actor:
    return Actor.operator(request.user, team.pk)  # type: ignore[arg-type]


def _save_member(team: Team, form: Any, by: Actor) -> None:
    """Do what was changed in one row, each act with its own line."""
    wanted = form.cleaned_data
    if not form.initial.get("is_active") or not form.instance.pk:
        if wanted["is_active"]:
            add_member(team, wanted["user"], wanted["role"], by=by)
        return
    if "role" in form.changed_data:
        change_role(form.instance, wanted["role"], by=by)
    if not wanted["is_active"]:
        deactivate(form.instance, by=by)


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

    def has_delete_permission(self, request: HttpRequest, obj: Register | None = None) -> bool:
        """Never: one that is done with is archived, on its own page."""
        return False

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

    def clean_is_active(self) -> bool:
        """The only administrator of a team is not switched off: nobody could let others in."""
        active: bool = self.cleaned_data["is_active"]
        if self.instance.is_active and not active:
            alone = [
                team.name
                for team in own_teams(self.instance)
                if not active_administrators(team.pk).exclude(user=self.instance).exists()
                and active_administrators(team.pk).exists()
            ]
            if alone:
                raise ValidationError(
                    _("Make another member administrator first, in: %(teams)s") % {"teams": ", ".join(alone)}
                )
        return active


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
        if obj is not None and obj.pseudonymised_at is not None:
            return False
        return obj is None or not obj.is_superuser or request.user.is_superuser

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        return _nameless(super().log_addition(request, obj, message), obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002
        """As Django does it, with a line in the trail: an operator has set somebody's password."""
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            person: Any = self.get_object(request, unquote(id))
            _record(request, Verb.SECURED, person, {"step": [None, Secured.PASSWORD_CHANGED.value]})
        return response

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        return _nameless(super().log_change(request, obj, message), obj)

    def get_urls(self) -> list[Any]:
        forget = self.admin_site.admin_view(self.forget)
        return [path("<int:pk>/forget/", forget, name="risks_user_forget"), *super().get_urls()]

    def forget(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Pseudonymise somebody; only superusers, because it reaches into every team."""
        person = User.objects.filter(pk=pk).first()
        if person is None:
            raise Http404
        by = Actor.operator(request.user)  # type: ignore[arg-type]
        if not request.user.is_superuser:
            raise PermissionDenied
        check_can_pseudonymise(by, person)
        form = ForgetForm(request.POST if request.method == "POST" else None, email=person.email)
        if request.method == "POST" and form.is_valid():
            try:
                pseudonymise(person, by=by, empty_comments=form.cleaned_data["empty_comments"])
            except DomainError as error:
                refuse(form, error)
            else:
                messages.success(request, _("Nobody can tell any more who this was."))
                return redirect("admin:risks_user_changelist")
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": _("Forget a person"),
            "form": form, "person": person, "original": person,
        }  # fmt: skip
        return render(request, "admin/risks/user/forget.html", context, status=422 if form.errors else 200)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        told = ("is_active", "is_staff", "is_superuser", "language", "theme")  # no name, no address
        changed = [name for name in told if name in form.changed_data]
        changes = {name: [form.initial.get(name), getattr(obj, name)] for name in changed}
        if change and "email" in form.changed_data:
            changes["step"] = [None, Secured.ADDRESS_CHANGED.value]
        if changes or not change:
            _record(request, Verb.CHANGED if change else Verb.CREATED, obj, changes if change else {})
        if "email" in form.changed_data:  # or the old address would still sign in
            EmailAddress.objects.filter(user=obj).exclude(email=obj.email).delete()


def _record(request: HttpRequest, verb: Verb, person: User, changes: dict[str, Any]) -> None:
    """Write down an act on a person by their number alone."""
    record(verb, person, by=Actor.operator(request.user), subject=person, label="", changes=changes)  # type: ignore[arg-type]


def _nameless(entry: Any, person: User) -> Any:
    """Django's log of the admin site keeps the number of the person, not the name."""
    entry.object_repr = f"#{person.pk}"
    entry.save(update_fields=["object_repr"])
    return entry

"""Templates to a file and back: export, import with a preview of every change, confirmation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from risks.admin.base import ModelAdmin, Tracked, operator_of
from risks.exceptions import Invalid
from risks.exchange.library import RowReport, import_templates, read_templates, write_templates
from risks.exchange.library_files import FORMATS
from risks.models import Template
from risks.services.export import record_export

_SALT = "risks.admin.import"
_VALID_FOR = 3600  # seconds from preview to confirmation
_MAX_PAYLOAD = 2_000_000  # below what a form may send


class ImportForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("JSON or CSV (UTF-8), as exported here."),
        widget=forms.FileInput(attrs={"accept": ".json,.csv"}),
    )

    def clean_file(self) -> Any:
        """Reads the file: `payload` is what the confirmation sends back, `dataset` its rows."""
        file = self.cleaned_data["file"]
        name = "json" if file.name.lower().endswith(".json") else "csv"
        data = file.read()
        try:
            self.dataset = read_templates(name, data)
        except Invalid as error:
            raise forms.ValidationError(str(error.message)) from None
        self.payload = signing.dumps([name, data.decode("utf-8-sig")], salt=_SALT, compress=True)
        if len(self.payload) > _MAX_PAYLOAD:
            raise forms.ValidationError(_("This file is too large. Import it in two parts."))
        return file


class RoundTrip(Tracked, ModelAdmin):
    """A ModelAdmin of templates with export and import."""

    change_list_template = "admin/risks/template/change_list.html"

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("export/<slug:format_name>/", wrap(self.export_view), name="risks_template_export"),
            path("import/", wrap(self.import_view), name="risks_template_import"),
            *super().get_urls(),
        ]

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"has_import_permission": self.has_import_permission(request)} | (extra_context or {})
        return super().changelist_view(request, context)

    # --- out

    def export_view(self, request: HttpRequest, format_name: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if format_name not in FORMATS:
            raise Http404
        return self._download(request, format_name, Template.objects.all())

    @admin.action(description=gettext_lazy("Export the selected templates as CSV"), permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Template]) -> HttpResponse:
        return self._download(request, "csv", queryset)

    @admin.action(description=gettext_lazy("Export the selected templates as JSON"), permissions=["view"])
    def export_json(self, request: HttpRequest, queryset: QuerySet[Template]) -> HttpResponse:
        return self._download(request, "json", queryset)

    def _download(
        self, request: HttpRequest, format_name: str, templates: QuerySet[Template]
    ) -> HttpResponse:
        name = f"risk-templates-{timezone.localdate():%Y-%m-%d}.{format_name}"
        content = write_templates(format_name, templates)
        record_export(Template(), name, by=operator_of(request, None), asked={"rows": templates.count()})
        return HttpResponse(
            content,
            content_type=FORMATS[format_name].content_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    # --- in

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """A file is read and its changes are shown; the confirmation sends it back, signed, to be written."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        if request.method == "POST" and "payload" in request.POST:
            return self._confirm(request)
        if request.method != "POST":
            return self._import_page(request, ImportForm())
        form = ImportForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._import_page(request, form, status=422)
        result, rows = import_templates(form.dataset, by=operator_of(request, None), dry_run=True)
        for error in result.base_errors:
            form.add_error("file", str(error.error))
        if result.has_errors() or result.has_validation_errors():
            return self._import_page(request, form, rows, status=422)
        return self._import_page(request, form, rows, payload=form.payload)

    def _confirm(self, request: HttpRequest) -> HttpResponse:
        form = ImportForm()
        try:
            name, text = signing.loads(request.POST["payload"], salt=_SALT, max_age=_VALID_FOR)
        except signing.BadSignature:
            messages.error(request, _("The preview is too old. Choose the file again; nothing was changed."))
            return self._import_page(request, form, status=422)
        with transaction.atomic():
            result, rows = import_templates(
                read_templates(name, text.encode()), by=operator_of(request, None), dry_run=False
            )
            if result.has_errors() or result.has_validation_errors():
                return self._import_page(request, form, rows, status=422)
            self._log(request, result)
        number = result.totals["new"] + result.totals["update"]
        messages.success(
            request,
            ngettext("%(number)d template was imported.", "%(number)d templates were imported.", number)
            % {"number": number},
        )
        return HttpResponseRedirect(reverse("admin:risks_template_changelist"))

    def _log(self, request: HttpRequest, result: Any) -> None:
        for kind, flag in (("new", ADDITION), ("update", CHANGE)):
            written = [row.instance for row in result.rows if row.import_type == kind]
            message = _("Imported from a file.")
            LogEntry.objects.log_actions(request.user.pk, written, flag, change_message=message)  # type: ignore[arg-type]

    def _import_page(
        self,
        request: HttpRequest,
        form: ImportForm,
        rows: list[RowReport] | None = None,
        *,
        payload: str = "",
        status: int = 200,
    ) -> HttpResponse:
        rows = rows or []
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import risk templates"),
            "opts": self.opts,
            "form": form,
            "payload": payload,
            "faulty": [row for row in rows if row.errors],
            "new": [row for row in rows if row.kind == "new"],
            "changed": [row for row in rows if row.kind == "update"],
            "unchanged": sum(row.kind == "skip" for row in rows),
        }
        return TemplateResponse(request, "admin/risks/template/import.html", context, status=status)

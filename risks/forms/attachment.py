"""Files in a form: several at once, and those that were too large told beside the field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from risks.forms.renderer import Form
from risks.services.attachment import too_large
from risks.services.file_type import allowed_extensions


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True
    template_name = "django/forms/widgets/file.html"


class FilesField(forms.FileField):
    """A list of files, empty ones among them: the service says which is empty."""

    widget = FilesInput

    def __init__(self, **options: Any) -> None:
        given: dict[str, Any] = {"label": _("Files"), "required": False, "allow_empty_file": True} | options
        super().__init__(**given)
        self.widget.attrs |= {"accept": allowed_extensions(settings.ATTACHMENT_TYPES), "multiple": True}

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        clean_one = super().clean
        return [clean_one(each, initial) for each in given] or ([clean_one(None)] if self.required else [])


class FilesMixin:
    """For a form with a FilesField called `files`."""

    def add_dropped(self, request: HttpRequest) -> None:
        """Say which files were dropped while the request was read, because they are too large."""
        form: Any = self
        for name in getattr(request, "too_large", []):
            form.add_error("files", ValidationError(too_large(name)))


class AttachForm(FilesMixin, Form):
    """Files, at least one."""

    files = FilesField(  # type: ignore[assignment]  # a form's own `files` is not a field, and stays
        required=True, label=_("Add files"), error_messages={"required": _("Choose at least one file.")}
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"auto_id": "id_attach_%s"} | options)  # beside a comment's on one page
        self.fields["files"].widget.attrs["aria-describedby"] = "id_attach_files_hint id_attach_files_error"

    def add_dropped(self, request: HttpRequest) -> None:
        if getattr(request, "too_large", []):  # then some were chosen, though none may be left
            self.errors.pop("files", None)
        super().add_dropped(request)

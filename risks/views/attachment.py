"""Files: adding them to a risk or a mitigation, taking them, deleting them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from risks import rules
from risks.exceptions import Invalid
from risks.forms.attachment import AttachForm
from risks.htmx import render_page, requested_partial
from risks.models import Attachment, Mitigation, Risk
from risks.queries.attachment import CHUNK, read_attachments
from risks.services.attachment import attach, delete_attachment, open_attachment, too_large
from risks.services.file_type import type_label
from risks.views.access import Scope, get_mitigation_or_404, get_risk_or_404, hands_out, team_view
from risks.views.dialog import render_act

SECTION = {"files": "risks/attachment/_section.html"}


# --- showing them


@dataclass(frozen=True)
class ShownFile:
    """A file as a line of a list (risks/attachment/_list.html). `why_not`: why it cannot be deleted."""

    attachment: Attachment
    url: str
    type: str
    size: str
    why_not: str

    @property
    def short_sha256(self) -> str:
        return self.attachment.sha256[:12]


@dataclass
class ShownFiles:
    """The files of a risk: its own, and those of its mitigations and comments by their ids."""

    own: list[ShownFile] = field(default_factory=list)
    of_mitigation: dict[int, list[ShownFile]] = field(default_factory=lambda: defaultdict(list))
    of_comment: dict[int, list[ShownFile]] = field(default_factory=lambda: defaultdict(list))


def show_files(scope: Scope, attachments: Iterable[Attachment]) -> list[ShownFile]:
    """Lines for a list; no query if each has its `risk`, with its register, and `added_by` loaded."""
    team = scope.team.slug
    return [
        ShownFile(
            each,
            reverse("risks:attachment-download", args=[team, each.pk]),
            str(type_label(each.content_type)),
            filesizeformat(each.size),
            rules.reason_against(rules.check_can_delete_attachment, scope.actor, each),
        )
        for each in attachments
    ]


def show_files_of(scope: Scope, risk: Risk) -> ShownFiles:
    """One query, none if the risk has no files. Needs `risk.register` loaded."""
    shown = ShownFiles()
    for line in show_files(scope, read_attachments(risk)):
        each = line.attachment
        if each.mitigation_id:
            shown.of_mitigation[each.mitigation_id].append(line)
        elif each.comment_id:
            shown.of_comment[each.comment_id].append(line)
        else:
            shown.own.append(line)
    return shown


def files_in_page(scope: Scope, risk: Risk) -> dict[str, Any]:
    """Context of the page of a risk: the section, and the files of mitigations and comments beside it.

    A past version of a risk has none: files keep no history.
    """
    if not isinstance(risk, Risk):
        return {}
    shown = show_files_of(scope, risk)
    return {**section_of(scope, risk, shown.own), "shown_files": shown, "in_risk": True}


def section_of(
    scope: Scope,
    risk: Risk,
    files: list[ShownFile],
    *,
    mitigation: Mitigation | None = None,
    form: AttachForm | None = None,
) -> dict[str, Any]:
    """Context of risks/attachment/_section.html."""
    args = [scope.team.slug, mitigation.pk if mitigation else risk.code]
    return {
        "risk": risk,
        "files": files,
        "files_form": form or AttachForm(),
        "files_url": reverse("risks:mitigation-files" if mitigation else "risks:risk-files", args=args),
        "files_limits": FileLimits(),
    }


@dataclass(frozen=True)
class FileLimits:
    """What the form says before anything is sent."""

    max_bytes: int = field(default_factory=lambda: settings.ATTACHMENT_MAX_BYTES)
    max_count: int = field(default_factory=lambda: settings.DATA_UPLOAD_MAX_NUMBER_FILES)

    @property
    def size(self) -> str:
        return filesizeformat(self.max_bytes)

    @property
    def types(self) -> str:
        return ", ".join(key.upper() for key in settings.ATTACHMENT_TYPES)

    @property
    def too_large(self) -> str:
        """The sentence of the server, with a place for the name."""
        return too_large("NAME")


# --- adding


@team_view
def risk_files(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    """The files of a risk itself, and the form that adds some."""
    return _files(request, scope, get_risk_or_404(scope, code))


@team_view
def mitigation_files(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """The files of a mitigation, and the form that adds some."""
    mitigation = get_mitigation_or_404(scope, pk)
    return _files(request, scope, mitigation.risk, mitigation)


def _files(
    request: HttpRequest, scope: Scope, risk: Risk, mitigation: Mitigation | None = None
) -> HttpResponse:
    form = None
    if request.method == "POST":
        rules.check_can_attach(scope.actor, risk)
        form = AttachForm(request.POST, request.FILES)
        form.add_dropped(request)
        if form.is_valid():
            try:
                added = attach(form.cleaned_data["files"], risk=risk, by=scope.actor, mitigation=mitigation)
            except Invalid as error:
                form.add_error("files", str(error.message))
            else:
                messages.success(request, _added(len(added)))
                if not requested_partial(request, SECTION):
                    return redirect(_home(scope, risk, mitigation))
                form = None
                risk.refresh_from_db(fields=["attachment_count"])
    shown = show_files_of(scope, risk)
    files = shown.of_mitigation[mitigation.pk] if mitigation else shown.own
    context = section_of(scope, risk, files, mitigation=mitigation, form=form)
    context |= {"mitigation": mitigation, "in_risk": _comes_from(request, scope, risk)}
    return render_page(
        request, "risks/attachment/files.html", context, partials=SECTION, status=422 if form else 200
    )


def _comes_from(request: HttpRequest, scope: Scope, risk: Risk) -> bool:
    """Whether htmx asks from the page of the risk, which has a place for dialogs and renews itself."""
    here = getattr(request, "htmx", None) and request.htmx.current_url_abs_path  # type: ignore[attr-defined]
    page = reverse("risks:risk-detail", args=[scope.team.slug, risk.code])
    return str(here or "").partition("?")[0] == page


def _added(count: int) -> str:
    return ngettext("The file is added.", "%(count)d files are added.", count) % {"count": count}


def _home(scope: Scope, risk: Risk, mitigation: Mitigation | None) -> str:
    """The page that shows the file among the rest."""
    if mitigation:
        return reverse("risks:mitigation-update", args=[scope.team.slug, mitigation.pk]) + "#files"
    return reverse("risks:risk-detail", args=[scope.team.slug, risk.code]) + "#files"


# --- one file


def get_attachment_or_404(scope: Scope, pk: int) -> Attachment:
    attachments = Attachment.objects.select_related("risk", "mitigation", "added_by")
    attachment = get_object_or_404(attachments, team=scope.team, pk=pk)
    attachment.risk.register = scope.register_of(attachment.risk.register_id)
    return attachment


@require_safe
@team_view
@hands_out
def attachment_download(request: HttpRequest, scope: Scope, pk: int) -> HttpResponseBase:
    """The content as a download; nothing in it can run, wherever it is opened."""
    attachment = get_attachment_or_404(scope, pk)
    content = open_attachment(attachment, by=scope.actor)
    response = FileResponse(
        content,
        as_attachment=True,
        filename=attachment.name,
        content_type=attachment.content_type,
        headers=_HARMLESS,
    )
    response.block_size = CHUNK
    return response


_HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


@team_view
def attachment_delete(request: HttpRequest, scope: Scope, pk: int) -> HttpResponse:
    """Delete a file, after asking."""
    attachment = get_attachment_or_404(scope, pk)
    rules.check_can_delete_attachment(scope.actor, attachment)
    risk = attachment.risk
    if request.method == "POST":
        delete_attachment(attachment, by=scope.actor)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": attachment.name})
        if request.htmx:  # type: ignore[attr-defined]
            return HttpResponse(headers={"HX-Trigger": json.dumps({"risk-changed": {"code": risk.code}})})
        return redirect(_home(scope, risk, attachment.mitigation))
    context = {"attachment": attachment, "risk": risk, "size": filesizeformat(attachment.size)}
    return render_act(request, "risks/attachment/delete.html", _("Delete the file?"), context)

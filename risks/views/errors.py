"""The error pages, in the reader's language, with what went wrong and what to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from risks.uploads import AT_ONCE, TooLarge


def refusal(request: HttpRequest, status: int, reason: str = "", heading: str = "") -> HttpResponse:
    """An error page; as a plain sentence to htmx, which shows it as a toast."""
    usual, advice = _texts()[status]
    heading = heading or usual
    context = {"status": status, "heading": heading, "advice": reason or advice}
    htmx = getattr(request, "htmx", None)
    if htmx and not htmx.boosted:
        return HttpResponse(context["advice"], status=status, content_type="text/plain; charset=utf-8")
    return render(request, "errors/error.html", context, status=status)


def _texts() -> dict[int, tuple[str, str]]:
    return {
        400: (_("This request could not be read"), _("Go back, reload the page and try again.")),
        403: (_("This is not allowed"), _("Ask an administrator of the team if you need it.")),
        404: (
            _("There is nothing here"),
            _("The address is wrong, the page is gone, or it belongs to a team you are not a member of."),
        ),
        409: (_("Somebody else was faster"), _("Reload the page and look at what has changed.")),
        410: (_("This is gone"), _("It was here once, and cannot be had any more.")),
        413: (
            _("That is too much at once"),
            _("Go back: what you typed is still there. Make it shorter, then send it again."),
        ),
        422: (_("This could not be done"), _("Go back and check what you entered; nothing was changed.")),
        429: (_("Too many attempts"), _("Wait a few minutes, then try again.")),
        500: (
            _("Something went wrong on our side"),
            _("Nothing was saved. Try again; if it happens twice, tell whoever runs this site."),
        ),
    }


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig | TooManyFilesSent):
        return refusal(request, 413, _too_much(exception))
    return refusal(request, 400)


def _too_much(exception: Exception) -> str:
    """Which limit was passed; Django stops reading there, so that what was typed is with the browser only."""
    if isinstance(exception, TooManyFilesSent):
        return _(
            "At most %(count)d files can be sent at once; nothing was added. Go back: what you typed is "
            "still there. Then send fewer."
        ) % {"count": settings.DATA_UPLOAD_MAX_NUMBER_FILES}
    if isinstance(exception, TooLarge):
        return _(
            "A file may have %(limit)s at most, and all files sent at once %(total)s. Nothing was added. "
            "Go back: what you typed is still there. Then choose a smaller file."
        ) % {
            "limit": filesizeformat(settings.ATTACHMENT_MAX_BYTES),
            "total": filesizeformat(AT_ONCE * settings.ATTACHMENT_MAX_BYTES),
        }
    return _texts()[413][1]


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refusal(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return refusal(
        request,
        403,
        _("This form is too old, or cookies are blocked. Go back, reload the page and send it again."),
        heading=_("This form could not be taken"),
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refusal(request, 404)


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Who signs in too often is sent here by allauth."""
    return refusal(request, 429)


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    return refusal(request, 500)

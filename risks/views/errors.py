"""The error pages, in the reader's language, with what went wrong and what to do."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


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
        403: (_("Your role does not allow this"), _("Ask an administrator of the team if you need it.")),
        404: (
            _("There is nothing here"),
            _("The address is wrong, the page is gone, or it belongs to a team you are not a member of."),
        ),
        409: (_("Somebody else was faster"), _("Reload the page and look at what has changed.")),
        422: (_("This could not be done"), _("Go back and check what you entered; nothing was changed.")),
        429: (_("Too many attempts"), _("Wait a few minutes, then try again.")),
        500: (
            _("Something went wrong on our side"),
            _("Nothing was saved. Try again; if it happens twice, tell whoever runs this site."),
        ),
    }


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refusal(request, 400)


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

"""One address serves page and partial; what decides between them is here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

_VARY = ("HX-Request", "HX-Target", "HX-Boosted", "HX-History-Restore-Request")


def requested_partial(request: HttpRequest, names: Mapping[str, str]) -> str | None:
    """Template of the partial that htmx asks for, if it is one this page lists (by the target's id)."""
    htmx = getattr(request, "htmx", None)
    if not htmx or htmx.boosted or htmx.history_restore_request:
        return None
    return names.get(htmx.target or "")


def render_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    partials: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page, or the one of its `partials` (element id → template) that htmx asks for."""
    name = requested_partial(request, partials or {}) or template
    response = render(request, name, dict(context or {}), status=status)
    patch_vary_headers(response, _VARY)
    return response

"""Acts on a risk that have a page of their own, or stand in a dialog over the page they were called from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from risks.htmx import render_page, requested_partial

TARGET = "dialog"
"""Id of the element that pages keep for dialogs."""


def render_act(
    request: HttpRequest, template: str, heading: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """The template as a page, or as a dialog for htmx that aims at the place for dialogs."""
    in_dialog = requested_partial(request, {TARGET: template}) is not None
    layout = "risks/risk/_dialog.html" if in_dialog else "risks/risk/_act.html"
    everything = {**context, "heading": heading, "in_dialog": in_dialog, "layout": layout}
    return render_page(request, template, everything, status=status)

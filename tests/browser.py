"""What a browser sends from a page of ours."""

from __future__ import annotations

from typing import Any

from django.test import Client


def fields_sent(form: Any) -> dict[str, Any]:
    """The values of a form as it is shown."""
    values = {bound.html_name: bound.value() for bound in form}
    return {name: "" if value is None else value for name, value in values.items()}


def form_of(client: Client, url: str, **changes: object) -> dict[str, Any]:
    """The fields of the page's form, with some of them changed by the person."""
    return fields_sent(client.get(url).context["form"]) | changes


def answer_to(page: Any, **changes: object) -> dict[str, Any]:
    """What is sent from a page that asks for a choice: mine, unless `choose_…` says theirs."""
    form = page.context["form"]
    asked = {field.html_name: field.value() for clash in form.clashes for field in clash.fields}
    choices = {f"choose_{clash.name}": "mine" for clash in form.clashes}
    return dict(form.unasked) | {k: "" if v is None else v for k, v in asked.items()} | choices | changes

"""Saving a form over a row that somebody else may have saved meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.http import HttpRequest

from risks.exceptions import Invalid
from risks.forms.merge import SEEN, UNSEEN, MergeForm
from risks.forms.risk import add_errors
from risks.services.merge import hold

Row = TypeVar("Row", bound=models.Model)
Form = TypeVar("Form", bound=MergeForm)


def save_merged(
    request: HttpRequest, row: Row, *, form_of: Callable[[Row, Any], Form], save: Callable[[Form], Any]
) -> tuple[int, Form]:
    """Merge what is posted with the row as it is now, and save that while nobody else can.

    `form_of(row, data)` makes the form, bound if there is data; `save(form)` calls the service with the
    fields that are the person's own. Status 200: saved, and said so where others' changes were kept. 409:
    the form asks which of two versions to take. 422: it says what is wrong.
    """
    with hold(row) as now:
        shown = form_of(now, None)
        merged = shown.merge(request.POST)
        form = form_of(now, shown.data_after(merged, request.POST))
        form.merged, form.now = merged, shown
        form.known = bool(shown.unseal(request.POST.get(SEEN, "")))
        if merged.asked:
            return 409 if form.known else 422, form
        if not form.known:
            form.add_error(None, UNSEEN)
        status = _save(form, save)
    if status == 200:
        for line in form.kept_lines:
            messages.info(request, line)
    return status, form


def _save(form: Form, save: Callable[[Form], Any]) -> int:
    if not form.is_valid():
        return 422
    try:
        with transaction.atomic():
            save(form)
    except Invalid as error:
        form.add_error(error.field if error.field in form.fields else None, str(error.message))
    except ValidationError as error:
        add_errors(form, error)
    return 422 if form.errors else 200

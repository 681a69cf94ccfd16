"""Keeping the full-text index."""

from __future__ import annotations

from itertools import islice

from django.db import transaction

from risks.models import Risk
from risks.models.search import TEXTS, clear_index, index_risks

BATCH = 500


@transaction.atomic
def rebuild_index() -> int:
    """Write the whole index anew from the risks; returns how many there are."""
    clear_index()
    risks = Risk.objects.only("team_id", "register_id", *TEXTS).order_by("pk").iterator(chunk_size=BATCH)
    count = 0
    while batch := list(islice(risks, BATCH)):
        index_risks(batch)
        count += len(batch)
    return count

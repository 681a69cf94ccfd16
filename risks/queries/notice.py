"""What the inbox reads."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Subquery
from django.db.models.functions import Coalesce

from risks.models import Notice


def unread_count(user: Any) -> Coalesce:
    """How many notices of the user (a value or an OuterRef) are unread: an annotation, from an index alone."""
    unread = Notice.objects.filter(user=user, read_at=None).order_by().values("user")
    return Coalesce(Subquery(unread.annotate(number=Count("pk")).values("number")), 0)

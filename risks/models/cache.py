"""What processes share for a short time, such as how often somebody tried to sign in."""

from __future__ import annotations

from django.db import models


class CacheEntry(models.Model):
    """The table of Django's database cache, as a model so that it is migrated and emptied like the others."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "risks_cache"

    def __str__(self) -> str:
        return self.cache_key

"""Saved views: a list's address under a name, for oneself."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.models.team import Team, User


class SavedView(models.Model):
    team = models.ForeignKey(Team, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="saved_views")
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=2000, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "user", "name"],
                name="risks_savedview_name_once",
                violation_error_message=_("You have a view of this name; choose another."),
            )
        ]

    def __str__(self) -> str:
        return self.name

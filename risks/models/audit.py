"""Audit events: who did what to which object, when, and what changed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.enums import Origin, Verb
from risks.models.register import Register
from risks.models.risk import Risk
from risks.models.team import Team, User


class AuditEvent(models.Model):
    """Written in the transaction of the change it tells of.

    `changes` maps a field's name to its old and new value as JSON: words for people and choices, ISO dates.
    """

    team = models.ForeignKey(Team, models.CASCADE, related_name="events", db_index=False)
    register = models.ForeignKey(Register, models.CASCADE, null=True, related_name="+", db_index=False)
    risk = models.ForeignKey(Risk, models.SET_NULL, null=True, related_name="events", db_index=False)
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    verb = models.CharField(max_length=10, choices=Verb.choices)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.PERSON)
    object_type = models.CharField(max_length=20)
    object_id = models.BigIntegerField(null=True)
    object_label = models.CharField(max_length=400)
    changes = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    happened_at = models.DateTimeField()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-happened_at", "-id"]
        indexes = [
            models.Index(fields=["team", "-happened_at", "-id"], name="risks_auditevent_team"),
            models.Index(fields=["risk", "-happened_at", "-id"], name="risks_auditevent_risk"),
        ]

    def __str__(self) -> str:
        return f"{self.happened_at:%Y-%m-%d %H:%M} {self.verb} {self.object_label}"

"""The trail: who did what to which object, when, why, and what changed; and the chain that seals it."""

from __future__ import annotations

from typing import Any, Never

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from risks.enums import Origin, Verb
from risks.models.register import Register
from risks.models.risk import Risk
from risks.models.team import Team, User


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Refuses what would change or remove lines."""

    def update(self, **kwargs: Any) -> Never:
        raise TypeError("lines of the trail are never changed")

    def delete(self) -> Never:
        raise TypeError("lines of the trail are never deleted")

    def bulk_update(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError("lines of the trail are never changed")


class AppendOnly(models.Model):
    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("lines of the trail are never changed")
        super().save(**kwargs | {"force_insert": True})  # with a key given, Django would try an update first

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError("lines of the trail are never deleted")


class AuditEvent(AppendOnly):
    """One line, written in the transaction of the act it tells of.

    `changes` maps a field to its old and new value as JSON. A person is `{"user": id}` there, and stands
    in `actor` and `subject` by id too, never by name: so that somebody can be forgotten without touching a
    line. Other records are `{"<model>": id, "en": …, "zh": …}`, in words that outlive them.
    Register and risk are plain ids for the same reason: lines outlive what they tell of.
    No team: an act on what belongs to the whole installation. `undoes` is the line that this one takes back.
    """

    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="events", db_index=False)
    register = models.ForeignKey(
        Register, models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    risk = models.ForeignKey(
        Risk, models.DO_NOTHING, null=True, related_name="events", db_index=False, db_constraint=False
    )
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    subject = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    verb = models.CharField(max_length=20, choices=Verb.choices)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.PERSON)
    object_type = models.CharField(max_length=20)
    object_id = models.BigIntegerField(null=True)
    object_label = models.CharField(max_length=400)
    changes = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    undoes = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-happened_at", "-id"]
        indexes = [
            # The columns behind the id answer the filters of the activity, without a look at the rows.
            models.Index(
                fields=["team", "-happened_at", "-id", "verb", "object_type", "register"],
                name="risks_auditevent_team",
            ),
            models.Index(
                fields=["register", "-happened_at", "-id", "verb", "object_type", "team"],
                name="risks_auditevent_register",
            ),
            models.Index(fields=["risk", "-happened_at", "-id"], name="risks_auditevent_risk"),
            models.Index(fields=["team", "actor", "-happened_at", "-id"], name="risks_auditevent_actor"),
            models.Index(fields=["object_type", "object_id"], name="risks_auditevent_object"),
        ]

    def __str__(self) -> str:
        return f"{self.happened_at:%Y-%m-%d %H:%M} {self.verb} {self.object_label}"


class Seal(AppendOnly):
    """A batch of a team's lines, chained to the batch before; `digest` is that of its last line."""

    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")
    number = models.PositiveIntegerField()
    lines = models.PositiveIntegerField()
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta:
        ordering = ["team", "number"]
        constraints = [models.UniqueConstraint(Coalesce("team", 0), "number", name="risks_seal_number_once")]

    def __str__(self) -> str:
        return f"{self.number}: {self.digest[:12]}"


class SealedLine(AppendOnly):
    """One line of a seal: SHA-256 over the digest before it and the line's canonical form."""

    event = models.OneToOneField(
        AuditEvent, models.DO_NOTHING, primary_key=True, related_name="sealed", db_constraint=False
    )
    seal = models.ForeignKey(Seal, models.PROTECT, related_name="sealed_lines", db_index=False)
    position = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["seal", "position"]
        constraints = [
            models.UniqueConstraint(fields=["seal", "position"], name="risks_sealedline_position_once")
        ]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.digest[:12]}"

"""What people are told, in their inbox and by mail; and what runs by the clock."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.enums import NoticeKind
from risks.models.audit import AuditEvent
from risks.models.discussion import Comment
from risks.models.risk import Risk
from risks.models.team import Team, User


class Notice(models.Model):
    """One thing one person is told of, written in the transaction of the act.

    `mail_due_at` empty: no mail. A worker claims a due mail until `claimed_until`, sends it and writes
    `mailed_at`; if it dies between, another takes the mail up again after that, under the same message id.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="notices", db_index=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="+")
    risk = models.ForeignKey(Risk, models.CASCADE, null=True, related_name="+")
    comment = models.ForeignKey(Comment, models.CASCADE, null=True, related_name="+")
    event = models.ForeignKey(
        AuditEvent, models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=NoticeKind.choices)
    details = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    mail_due_at = models.DateTimeField(null=True)
    in_digest = models.BooleanField(default=False)
    claimed_until = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-made_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-made_at", "-id"], name="risks_notice_inbox"),
            models.Index(
                fields=["user"], condition=models.Q(read_at=None), name="risks_notice_unread"
            ),
            models.Index(
                fields=["mail_due_at"],
                condition=models.Q(mailed_at=None, mail_due_at__isnull=False),
                name="risks_notice_due",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} → {self.user_id}"


class ScheduledRun(models.Model):
    """A job of the clock that has been handed to the queue: once for each time it is due."""

    name = models.CharField(max_length=40)
    due_at = models.DateTimeField()
    queued_at = models.DateTimeField()

    class Meta:
        ordering = ["-due_at", "name"]
        constraints = [models.UniqueConstraint(fields=["name", "due_at"], name="risks_scheduledrun_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.due_at:%Y-%m-%d %H:%M}"

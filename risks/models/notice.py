"""What people are told, in their inbox and by mail."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from risks.enums import NoticeKind
from risks.models.audit import AuditEvent
from risks.models.discussion import Comment
from risks.models.risk import Risk
from risks.models.team import Team, User


class Mail(models.Model):
    """One message to one person that tells of one notice, or of a day's. Its id is its Message-ID.

    `held_until`: a worker that takes the mail up holds it until then; after a failure it rests until then.
    `attempted_at` is written before the mail is handed to the server and `sent_at` once the server has taken
    it. A worker that dies between the two leaves a mail of which nobody knows whether it went out.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        User, models.CASCADE, related_name="+", verbose_name=pgettext_lazy("of a mail", "to")
    )
    in_digest = models.BooleanField(_("daily mail"), default=False)
    due_at = models.DateTimeField(_("due"))
    held_until = models.DateTimeField(_("held until"), null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    attempted_at = models.DateTimeField(_("last attempt"), null=True)
    sent_at = models.DateTimeField(_("sent"), null=True)
    failed_at = models.DateTimeField(_("given up"), null=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        ordering = ["-due_at", "id"]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(sent_at=None, failed_at=None), name="risks_mail_waiting"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Notice(models.Model):
    """One thing one person is told of, written in the transaction of the act.

    `mail_due_at` empty: no mail. `mail` is the message that tells of it, once the time has come.
    `key` names what a person is told of once only, such as that a review is due on a day.
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
    key = models.CharField(max_length=100, blank=True)
    made_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    mail_due_at = models.DateTimeField(null=True)
    in_digest = models.BooleanField(default=False)
    mail = models.ForeignKey(Mail, models.SET_NULL, null=True, related_name="notices")

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-made_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-made_at", "-id"], name="risks_notice_inbox"),
            models.Index(
                fields=["user", "team"], condition=models.Q(read_at=None), name="risks_notice_unread"
            ),
            models.Index(
                fields=["mail_due_at"],
                condition=models.Q(mail=None, mail_due_at__isnull=False),
                name="risks_notice_due",
            ),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(
                fields=["user", "key"], condition=~models.Q(key=""), name="risks_notice_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.user_id}"

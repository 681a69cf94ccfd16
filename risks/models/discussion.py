"""What people say about a risk, who follows it, and which risks speak of each other."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.models.risk import Risk
from risks.models.team import Team, User

COMMENT_MAX_LENGTH = 10_000


class Comment(models.Model):
    """One contribution, in Markdown. A deleted one stays as an empty place; what it said is gone."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="+", editable=False, db_index=False)
    risk = models.ForeignKey(Risk, models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    body = models.TextField(_("comment"), max_length=COMMENT_MAX_LENGTH, blank=True)
    created_at = models.DateTimeField(editable=False)
    edited_at = models.DateTimeField(null=True, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["risk", "created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(body="") | models.Q(deleted_at__isnull=False),
                name="risks_comment_has_body",
                violation_error_message=_("Write something first."),
            )
        ]

    def __str__(self) -> str:
        return self.body[:80]

    @property
    def is_emptied(self) -> bool:
        """Not its author took it back: it went when somebody else forgot who the author was."""
        return self.deleted_at is not None and self.deleted_at == self.author.pseudonymised_at


class CommentVersion(models.Model):
    """What a comment said before it was edited."""

    comment = models.ForeignKey(Comment, models.CASCADE, related_name="versions")
    body = models.TextField()
    replaced_at = models.DateTimeField()

    class Meta:
        ordering = ["comment", "-replaced_at", "-id"]

    def __str__(self) -> str:
        return self.body[:80]


class RiskLink(models.Model):
    """A risk named in another's comment. `source` speaks of `target`."""

    source = models.ForeignKey(Risk, models.CASCADE, related_name="links")
    target = models.ForeignKey(Risk, models.CASCADE, related_name="back_links")
    comment = models.ForeignKey(Comment, models.CASCADE, related_name="links")

    class Meta:
        ordering = ["source", "target"]
        constraints = [
            models.UniqueConstraint(fields=["comment", "target"], name="risks_risklink_once"),
            models.CheckConstraint(
                condition=~models.Q(source=models.F("target")), name="risks_risklink_not_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} → {self.target_id}"


class Follow(models.Model):
    """A person's own choice about a risk. Without one, its owner and the team's managers follow it."""

    risk = models.ForeignKey(Risk, models.CASCADE, related_name="follows")
    user = models.ForeignKey(User, models.CASCADE, related_name="follows")
    wanted = models.BooleanField(default=True)

    class Meta:
        ordering = ["risk", "user"]
        constraints = [models.UniqueConstraint(fields=["risk", "user"], name="risks_follow_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {'+' if self.wanted else '-'} {self.risk_id}"

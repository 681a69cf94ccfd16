"""Files that people add to a risk, a mitigation or a comment."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.models.discussion import Comment
from risks.models.mitigation import Mitigation
from risks.models.risk import Risk
from risks.models.team import Team, User

FOLDER = "attachments"


def register_folder(team_id: int, register_id: int) -> str:
    """Where the files of a register lie, so that all of them can go at once."""
    return f"{FOLDER}/{team_id}/{register_id}"


def stored_name(attachment: Attachment, _name: str) -> str:
    """Where the file lies: under a random name, so that nothing of what the sender typed reaches the disk."""
    return f"{register_folder(attachment.team_id, attachment.risk.register_id)}/{uuid4().hex}"


class Attachment(models.Model):
    """`content_type` and `sha256` are of the content itself, whatever the name says."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="+", editable=False)
    risk = models.ForeignKey(Risk, models.CASCADE, related_name="attachments")
    mitigation = models.ForeignKey(Mitigation, models.CASCADE, null=True, related_name="attachments")
    comment = models.ForeignKey(Comment, models.CASCADE, null=True, related_name="attachments")
    name = models.CharField(_("name"), max_length=200)
    content_type = models.CharField(_("type"), max_length=100)
    size = models.PositiveBigIntegerField(_("size"))
    sha256 = models.CharField("SHA-256", max_length=64)
    file = models.FileField(upload_to=stored_name, max_length=200)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    added_at = models.DateTimeField()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["risk", "added_at", "id"]

    def __str__(self) -> str:
        return self.name

"""What the worker keeps: which jobs of the clock it has handed over, and that it is alive."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


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


class Worker(models.Model):
    """A process that does jobs. It renews `beat_at` while it lives and takes its row away when it ends."""

    id = models.CharField(max_length=64, primary_key=True)
    host = models.CharField(_("machine"), max_length=255)
    process = models.PositiveIntegerField(_("process"))
    started_at = models.DateTimeField(_("started"))
    beat_at = models.DateTimeField(_("last sign of life"))

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.host} {self.process}"

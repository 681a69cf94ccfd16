"""Assessments: dated acts of scoring, and the monthly tally they add up to."""

from __future__ import annotations

from typing import Any, Never

from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.enums import Kind, Level
from risks.models.matrix import Matrix
from risks.models.register import Register
from risks.models.risk import Risk
from risks.models.team import User
from risks.models.translated import Translated


class Assessment(models.Model):
    """One act of scoring, by somebody, for a reason. Append-only.

    `rank` is the position as one number (see `quant.matrix.rank`); `delta` its difference to the assessment
    of the same kind before, 0 for the first, so that the net movement over any period is a sum.
    """

    risk = models.ForeignKey(Risk, models.CASCADE, related_name="assessments")
    register = models.ForeignKey(Register, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    matrix = models.ForeignKey(Matrix, models.PROTECT, related_name="+")
    probability = models.PositiveSmallIntegerField()
    impact = models.PositiveSmallIntegerField()
    score = models.PositiveSmallIntegerField()
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    rank = models.PositiveIntegerField()
    delta = models.IntegerField(default=0)
    reason_en = models.TextField(blank=True)
    reason_zh = models.TextField(blank=True)
    assessed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    assessed_at = models.DateTimeField()
    reason = Translated()

    class Meta:
        verbose_name = _("assessment")
        verbose_name_plural = _("assessments")
        ordering = ["risk", "assessed_at", "id"]
        indexes = [
            models.Index(fields=["risk", "kind", "assessed_at"], name="risks_assessment_risk"),
            models.Index(
                fields=["register", "kind", "assessed_at", "risk", "delta"], name="risks_assessment_when"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.probability} × {self.impact}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("an assessment is never changed; write a new one")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError("an assessment is never deleted")


class LevelTally(models.Model):
    """Net change, within one month, of a register's number of active risks at one level (0: unassessed).

    The sum of all months up to one is the count at its end: a year of trend is one small query at any size.
    """

    register = models.ForeignKey(Register, models.CASCADE, related_name="tallies")
    month_date = models.DateField()  # its first day
    level = models.PositiveSmallIntegerField()
    delta = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["register", "month_date", "level"], name="risks_leveltally_once")
        ]

    def __str__(self) -> str:
        return f"{self.month_date:%Y-%m} {self.level}: {self.delta:+d}"

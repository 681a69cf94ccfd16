"""Risk matrices as data. A matrix in use is never edited: a new version takes its place for new registers."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from risks.enums import LEVEL_MARKS, Axis, Level, Tone
from risks.models.history import History
from risks.models.team import Team
from risks.models.translated import Translated

_index = [MinValueValidator(1), MaxValueValidator(7)]


class MatrixQuerySet(models.QuerySet["Matrix"]):
    def available_to(self, team: Team) -> MatrixQuerySet:
        """Matrices a new register of the team may use: the product's own and the team's."""
        return self.filter(models.Q(team=None) | models.Q(team=team), is_active=True)


class Matrix(models.Model):
    """One version of a matrix; its steps, levels and cells are rows of their own."""

    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="matrices", verbose_name=_("team"),
        help_text=_("Empty: for every team."),
    )  # fmt: skip
    key = models.SlugField(_("key"), max_length=40)
    version = models.PositiveSmallIntegerField(_("version"), default=1)
    revision = models.PositiveIntegerField(default=1, editable=False)  # rises with each edit before use
    name_en = models.CharField(_("name (English)"), max_length=100, blank=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=100, blank=True)
    description_en = models.TextField(_("how it works (English)"), blank=True)
    description_zh = models.TextField(_("how it works (Chinese)"), blank=True)
    is_active = models.BooleanField(_("offered for new registers"), default=True)
    is_default = models.BooleanField(_("default of new registers"), default=False)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    history = History()
    name, description = Translated(), Translated()
    objects = MatrixQuerySet.as_manager()

    class Meta:
        verbose_name = _("risk matrix")
        verbose_name_plural = _("risk matrices")
        ordering = ["-is_default", "key", "-version"]
        constraints = [
            models.UniqueConstraint(
                Coalesce("team", 0),
                "key",
                "version",
                name="risks_matrix_version_once",
                violation_error_message=_("This version of the matrix exists already."),
            ),
            models.CheckConstraint(
                condition=~models.Q(name_en="", name_zh=""),
                name="risks_matrix_has_name",
                violation_error_message=_("Give the matrix a name in at least one language."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · v{self.version}"


class MatrixStep(models.Model):
    """One level of an axis: its words and its number range."""

    matrix = models.ForeignKey(Matrix, models.CASCADE, related_name="steps")
    axis = models.CharField(_("axis"), max_length=11, choices=Axis.choices)
    index = models.PositiveSmallIntegerField(_("position"), validators=_index)
    name_en = models.CharField(_("word (English)"), max_length=40, blank=True)
    name_zh = models.CharField(_("word (Chinese)"), max_length=40, blank=True)
    hint_en = models.CharField(_("meaning (English)"), max_length=200, blank=True)
    hint_zh = models.CharField(_("meaning (Chinese)"), max_length=200, blank=True)
    low = models.FloatField(
        _("from"), help_text=_("Yearly probability, or share of the yearly budget: 0.2 is 20 %.")
    )
    high = models.FloatField(_("to"), null=True, blank=True, help_text=_("Empty: no upper end."))
    name, hint = Translated(), Translated()

    class Meta:
        verbose_name = _("axis level")
        verbose_name_plural = _("axis levels")
        ordering = ["matrix", "-axis", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["matrix", "axis", "index"],
                name="risks_matrixstep_once",
                violation_error_message=_("This position of the axis is taken; each may occur once."),
            ),
            models.CheckConstraint(
                condition=models.Q(high=None) | models.Q(high__gt=models.F("low")),
                name="risks_matrixstep_range",
                violation_error_message=_("The range must end above where it begins."),
            ),
            models.CheckConstraint(
                condition=~models.Q(name_en="", name_zh=""),
                name="risks_matrixstep_has_name",
                violation_error_message=_("Give the level a word in at least one language."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.index} · {self.name}"


class MatrixLevel(models.Model):
    """A band of the matrix: what it is called, how it looks and what it demands."""

    matrix = models.ForeignKey(Matrix, models.CASCADE, related_name="levels")
    level = models.PositiveSmallIntegerField(_("level"), choices=Level.choices)
    name_en = models.CharField(_("word (English)"), max_length=40, blank=True)
    name_zh = models.CharField(_("word (Chinese)"), max_length=40, blank=True)
    tone = models.CharField(_("colour"), max_length=10, choices=Tone.choices)
    response_en = models.CharField(_("required response (English)"), max_length=200, blank=True)
    response_zh = models.CharField(_("required response (Chinese)"), max_length=200, blank=True)
    name, response = Translated(), Translated()

    class Meta:
        verbose_name = _("level")
        verbose_name_plural = _("levels")
        ordering = ["matrix", "level"]
        constraints = [
            models.UniqueConstraint(
                fields=["matrix", "level"],
                name="risks_matrixlevel_once",
                violation_error_message=_("This level is listed twice; keep one of them."),
            ),
            models.CheckConstraint(
                condition=~models.Q(name_en="", name_zh=""),
                name="risks_matrixlevel_has_name",
                violation_error_message=_("Give the level a word in at least one language."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def mark(self) -> str:
        return LEVEL_MARKS[Level(self.level)]


class MatrixCell(models.Model):
    """Score and level of one crossing of the axes."""

    matrix = models.ForeignKey(Matrix, models.CASCADE, related_name="cells")
    probability = models.PositiveSmallIntegerField(_("probability"), validators=_index)
    impact = models.PositiveSmallIntegerField(_("impact"), validators=_index)
    score = models.PositiveSmallIntegerField(_("score"), validators=[MaxValueValidator(999)])
    level = models.PositiveSmallIntegerField(_("level"), choices=Level.choices)

    class Meta:
        verbose_name = _("cell")
        verbose_name_plural = _("cells")
        ordering = ["matrix", "-probability", "impact"]
        constraints = [
            models.UniqueConstraint(
                fields=["matrix", "probability", "impact"],
                name="risks_matrixcell_once",
                violation_error_message=_("This cell is listed twice; keep one of them."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.probability} × {self.impact}"

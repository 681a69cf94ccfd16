"""A register: a list of risks about one product or project."""

from __future__ import annotations

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from risks.models.history import History
from risks.models.matrix import Matrix
from risks.models.team import Team, User
from risks.models.translated import Translated


class Register(models.Model):
    """Risks are numbered per register; `next_number` only rises, so that a code is never used twice."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="registers", verbose_name=_("team"))
    key = models.CharField(
        _("key"),
        max_length=10,
        validators=[
            RegexValidator(
                r"^[A-Z][A-Z0-9]{1,9}\Z", _("Use 2 to 10 capital letters or digits, such as VOICE.")
            )
        ],
        help_text=_("Begins the code of every risk, such as VOICE-12. It cannot be changed later."),
    )
    name_en = models.CharField(_("name (English)"), max_length=100, blank=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=100, blank=True)
    description_en = models.TextField(_("what it covers (English)"), blank=True)
    description_zh = models.TextField(_("what it covers (Chinese)"), blank=True)
    matrix = models.ForeignKey(
        Matrix, models.PROTECT, related_name="registers", verbose_name=_("risk matrix")
    )
    budget_amount = models.DecimalField(
        _("yearly budget"), max_digits=16, decimal_places=2, null=True, blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Turns shares of the budget into money. Empty: impacts stay shares."),
    )  # fmt: skip
    currency = models.CharField(
        _("currency"), max_length=3, default="CNY", validators=[RegexValidator(r"^[A-Z]{3}\Z")]
    )
    next_number = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)
    archived_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    history = History(excluded_fields=["next_number"])
    name, description = Translated(), Translated()

    class Meta:
        verbose_name = _("register")
        verbose_name_plural = _("registers")
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "key"],
                name="risks_register_key_once",
                violation_error_message=_("The team has a register with this key; choose another."),
            ),
            models.CheckConstraint(
                condition=~models.Q(name_en="", name_zh=""),
                name="risks_register_has_name",
                violation_error_message=_("Give the register a name in at least one language."),
            ),
            models.CheckConstraint(
                condition=models.Q(budget_amount=None) | models.Q(budget_amount__gt=0),
                name="risks_register_budget_positive",
                violation_error_message=_("The yearly budget must be above zero, or left empty."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} · {self.name}"

    @property
    def is_archived(self) -> bool:
        """Kept to be read and exported; nothing in it changes."""
        return self.archived_at is not None

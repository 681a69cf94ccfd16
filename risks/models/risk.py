"""Risks, and the acceptance and state changes of their life."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypeAlias

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from risks.enums import ACTIVE_STATES, Frequency, Level, State, Strategy
from risks.models.flag import Flag
from risks.models.history import History
from risks.models.library import GIVEN_FREQUENCY, GIVEN_IMPACT, Category, IndicatorBase, Template
from risks.models.register import Register
from risks.models.team import Team, User
from risks.models.translated import Translated

STATEMENT_MAX_LENGTH = 10_000


class RiskQuerySet(models.QuerySet["Risk"]):
    def visible_to(self, user: User) -> RiskQuerySet:
        return self.filter(team__memberships__user=user, team__memberships__is_active=True)

    def active(self) -> RiskQuerySet:
        return self.filter(active=True)

    def owned_by(self, user: User) -> RiskQuerySet:
        return self.filter(owner=user)

    def unassessed(self) -> RiskQuerySet:
        """Active risks without a residual position."""
        return self.filter(active=True, residual_rank=0)

    def review_due(self, on: date) -> RiskQuerySet:
        """Active risks whose next review lies before the day."""
        return self.filter(active=True, next_review_date__lt=on)

    def worst_first(self) -> RiskQuerySet:
        return self.order_by("-residual_rank", "-id")


SmallNumber: TypeAlias = "models.PositiveSmallIntegerField[int | None, int | None]"


def _number() -> SmallNumber:
    return models.PositiveSmallIntegerField(null=True, editable=False)


def _level() -> SmallNumber:
    return models.PositiveSmallIntegerField(null=True, editable=False, choices=Level.choices)


def _rank() -> models.PositiveIntegerField[int, int]:
    return models.PositiveIntegerField(default=0, editable=False)


class RiskFacts:
    """What follows from the columns of a risk, and of each of its versions."""

    title, cause, event, consequence = Translated(), Translated(), Translated(), Translated()
    state: Any

    @property
    def is_active(self) -> bool:
        """Whether the risk counts. `active` is the same as a column, stale after a change."""
        return self.state in ACTIVE_STATES

    def position(self, kind: str) -> tuple[int, int] | None:
        """Indices (probability, impact) of the newest assessment of the kind; None if there is none."""
        probability, impact = getattr(self, f"{kind}_probability"), getattr(self, f"{kind}_impact")
        return None if probability is None else (probability, impact)

    def is_review_due(self, on: date) -> bool:
        due: date | None = self.next_review_date  # type: ignore[attr-defined]
        return self.is_active and due is not None and due < on


class Risk(RiskFacts, models.Model):
    """An uncertain event with an effect on objectives.

    The position columns mirror the newest assessment of each kind; `residual_rank` orders positions across
    matrices (level first, then score; 0 means not assessed). `expected_loss` is the expected yearly loss as a
    share of the register's budget, from the ranges. Both are kept by the services.
    """

    team = models.ForeignKey(Team, models.PROTECT, related_name="risks", editable=False, db_index=False)
    register = models.ForeignKey(Register, models.PROTECT, related_name="risks", verbose_name=_("register"))
    number = models.PositiveIntegerField(editable=False)
    code = models.CharField(_("code"), max_length=20, editable=False)
    title_en = models.CharField(_("title (English)"), max_length=200, blank=True)
    title_zh = models.CharField(_("title (Chinese)"), max_length=200, blank=True)
    cause_en = models.TextField(_("cause (English)"), blank=True, max_length=STATEMENT_MAX_LENGTH)
    cause_zh = models.TextField(_("cause (Chinese)"), blank=True, max_length=STATEMENT_MAX_LENGTH)
    event_en = models.TextField(_("event (English)"), blank=True, max_length=STATEMENT_MAX_LENGTH)
    event_zh = models.TextField(_("event (Chinese)"), blank=True, max_length=STATEMENT_MAX_LENGTH)
    consequence_en = models.TextField(_("consequence (English)"), blank=True, max_length=STATEMENT_MAX_LENGTH)
    consequence_zh = models.TextField(_("consequence (Chinese)"), blank=True, max_length=STATEMENT_MAX_LENGTH)
    category = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="risks", verbose_name=_("category")
    )
    subcategory = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="subcategory_risks",
        verbose_name=_("subcategory"),
    )  # fmt: skip
    owner = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="owned_risks", verbose_name=_("owner")
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.DRAFT, editable=False
    )
    active = models.GeneratedField(
        expression=models.Case(
            models.When(state__in=[str(state.value) for state in ACTIVE_STATES], then=models.Value(True)),
            default=models.Value(False),
        ),
        output_field=Flag(),
        db_persist=True,
    )
    strategy = models.CharField(_("strategy"), max_length=10, choices=Strategy.choices, blank=True)
    next_review_date = models.DateField(_("next review"), null=True, blank=True)
    frequency_kind = models.CharField(
        _("frequency as"), max_length=11, choices=Frequency.choices, default=Frequency.PROBABILITY
    )
    frequency_low = models.FloatField(_("frequency from"), null=True, blank=True)
    frequency_high = models.FloatField(_("frequency to"), null=True, blank=True)
    impact_low = models.FloatField(_("impact from"), null=True, blank=True)
    impact_likely = models.FloatField(_("impact, most likely"), null=True, blank=True)
    impact_high = models.FloatField(_("impact to"), null=True, blank=True)
    expected_loss = models.FloatField(default=0, editable=False)
    template = models.ForeignKey(
        Template, models.SET_NULL, null=True, blank=True, related_name="risks", verbose_name=_("template")
    )
    created_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", editable=False)
    logged_at = models.DateTimeField(_("logged"), editable=False)
    updated_at = models.DateTimeField(_("last change"), editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    inherent_probability, inherent_impact, inherent_score = _number(), _number(), _number()
    inherent_level, inherent_rank = _level(), _rank()
    residual_probability, residual_impact, residual_score = _number(), _number(), _number()
    residual_level, residual_rank = _level(), _rank()
    target_probability, target_impact, target_score = _number(), _number(), _number()
    target_level, target_rank = _level(), _rank()

    comment_count = models.PositiveIntegerField(default=0, editable=False)
    attachment_count = models.PositiveIntegerField(default=0, editable=False)
    link_count = models.PositiveIntegerField(default=0, editable=False)  # from and to other risks

    history = History(
        bases=[RiskFacts, models.Model],
        excluded_fields=["comment_count", "attachment_count", "link_count"],
        indexes=[
            models.Index(fields=["id", "history_date"], name="risks_risk_past"),
            models.Index(
                fields=["team", "register", "id", "history_date", "history_id"], name="risks_risk_past_team"
            ),
        ],
    )
    objects = RiskQuerySet.as_manager()

    class Meta:
        verbose_name = _("risk")
        verbose_name_plural = _("risks")
        ordering = ["register", "number"]
        indexes = [
            models.Index("team", F("residual_rank").desc(), F("id").desc(), name="risks_risk_team_rank"),
            models.Index(
                "register", F("residual_rank").desc(), F("id").desc(), name="risks_risk_register_rank"
            ),
            models.Index(fields=["team", "active", "next_review_date", "register"], name="risks_risk_review"),
            models.Index(
                fields=["team", "active", "owner", "next_review_date", "residual_rank", "register"],
                name="risks_risk_owner",
            ),
            models.Index(fields=["team", "category", "active"], name="risks_risk_category"),
            models.Index(fields=["team", "state", "residual_rank", "register"], name="risks_risk_state"),
            # Orders of the list; each reads its first page without sorting.
            models.Index(fields=["team", "title_en", "title_zh", "id"], name="risks_risk_title_en"),
            models.Index(fields=["team", "title_zh", "title_en", "id"], name="risks_risk_title_zh"),
            models.Index(fields=["team", "expected_loss", "id"], name="risks_risk_loss"),
            models.Index(fields=["team", "updated_at", "id"], name="risks_risk_updated"),
            *[
                models.Index(
                    "register", "active", f"{kind}_probability", f"{kind}_impact",
                    F("expected_loss").desc(), "id", "category", "owner", name=f"risks_risk_{kind}_cell",
                )
                for kind in ("inherent", "residual", "target")
            ],
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(fields=["register", "number"], name="risks_risk_number_once"),
            models.UniqueConstraint(fields=["team", "code"], name="risks_risk_code_once"),
            models.CheckConstraint(
                condition=~Q(title_en="", title_zh=""),
                name="risks_risk_has_title",
                violation_error_message=_("Give the risk a title."),
            ),
            models.CheckConstraint(
                condition=Q(subcategory=None) | Q(category__isnull=False),
                name="risks_risk_subcategory_of_category",
                violation_error_message=_("Choose the category that the subcategory belongs to."),
            ),
            models.CheckConstraint(
                condition=Q(frequency_low=None, frequency_high=None)
                | GIVEN_FREQUENCY & Q(frequency_low__gte=0, frequency_high__gte=F("frequency_low")),
                name="risks_risk_frequency_range",
                violation_error_message=_("Give both ends of the frequency, the lower one first."),
            ),
            models.CheckConstraint(
                condition=~Q(frequency_kind=Frequency.PROBABILITY)
                | Q(frequency_high=None)
                | Q(frequency_high__lte=1),
                name="risks_risk_probability_share",
                violation_error_message=_("A yearly probability cannot be above one hundred per cent."),
            ),
            models.CheckConstraint(
                condition=Q(impact_low=None, impact_likely=None, impact_high=None)
                | GIVEN_IMPACT
                & Q(
                    impact_low__gt=0, impact_likely__gte=F("impact_low"), impact_high__gte=F("impact_likely")
                ),
                name="risks_risk_impact_range",
                violation_error_message=_(
                    "Give all three impacts above zero, from the lowest to the highest."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"


class Indicator(IndicatorBase):
    """What is watched to see a risk coming."""

    risk = models.ForeignKey(Risk, models.CASCADE, related_name="indicators")
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(IndicatorBase.Meta):
        verbose_name = _("indicator")
        verbose_name_plural = _("indicators")
        ordering = ["risk", "position", "id"]


class StateChange(models.Model):
    """One move of a risk between states. Append-only; `from_state` is empty for the first."""

    risk = models.ForeignKey(Risk, models.CASCADE, related_name="state_changes")
    register = models.ForeignKey(Register, models.CASCADE, related_name="+", db_index=False)
    from_state = models.CharField(max_length=10, choices=State.choices, blank=True)
    to_state = models.CharField(max_length=10, choices=State.choices)
    reason_en = models.TextField(blank=True)
    reason_zh = models.TextField(blank=True)
    moved_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    moved_at = models.DateTimeField()
    reason = Translated()

    class Meta:
        ordering = ["risk", "moved_at", "id"]
        indexes = [
            models.Index(fields=["register", "moved_at", "to_state", "risk"], name="risks_statechange_when"),
            models.Index(
                fields=["register", "to_state", "from_state", "moved_at", "risk"],
                name="risks_statechange_entered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.moved_at:%Y-%m-%d %H:%M} {self.from_state} → {self.to_state}"


class AcceptanceQuerySet(models.QuerySet["Acceptance"]):
    def running(self, until: datetime | None = None) -> AcceptanceQuerySet:
        """Those not ended, now or just before the moment."""
        if until is None:
            return self.filter(ended_at=None)
        return self.filter(Q(ended_at=None) | Q(ended_at__gte=until), accepted_at__lt=until)


class Acceptance(models.Model):
    """A decision to live with a risk until a day; the day after, the risk is open again."""

    risk = models.ForeignKey(Risk, models.CASCADE, related_name="acceptances")
    approver = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("approved by"))
    reason_en = models.TextField(blank=True)
    reason_zh = models.TextField(blank=True)
    until_date = models.DateField(_("until"))
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    accepted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = Translated()
    objects = AcceptanceQuerySet.as_manager()

    class Meta:
        ordering = ["risk", "-accepted_at", "-id"]
        indexes = [models.Index(fields=["ended_at", "until_date"], name="risks_acceptance_until")]
        constraints = [
            models.UniqueConstraint(
                fields=["risk"], condition=Q(ended_at=None), name="risks_acceptance_one_running"
            ),
            models.CheckConstraint(
                condition=~Q(reason_en="", reason_zh=""),
                name="risks_acceptance_has_reason",
                violation_error_message=_("Say why the team can live with this risk."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.approver}, {self.until_date:%Y-%m-%d}"

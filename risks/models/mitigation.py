"""Mitigations: the concrete responses to a risk."""

from __future__ import annotations

from datetime import date

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from risks.enums import PENDING_MITIGATION_STATES, MitigationKind, MitigationState
from risks.models.flag import Flag
from risks.models.history import History
from risks.models.register import Register
from risks.models.risk import Risk
from risks.models.team import Team, User
from risks.models.translated import Translated


class MitigationQuerySet(models.QuerySet["Mitigation"]):
    def visible_to(self, user: User) -> MitigationQuerySet:
        return self.filter(team__memberships__user=user, team__memberships__is_active=True)

    def pending(self) -> MitigationQuerySet:
        return self.filter(pending=True)

    def late(self, on: date) -> MitigationQuerySet:
        """Pending with a due date before the day."""
        return self.filter(pending=True, due_order__lt=on)

    def late_first(self) -> MitigationQuerySet:
        """Pending before finished, the earliest due first, those without a date after them."""
        return self.order_by("-pending", "due_order", "id")


class Mitigation(models.Model):
    """One response with owner, due date, cost and state."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="+", editable=False, db_index=False)
    register = models.ForeignKey(Register, models.PROTECT, related_name="+", editable=False, db_index=False)
    risk = models.ForeignKey(Risk, models.CASCADE, related_name="mitigations", verbose_name=_("risk"))
    kind = models.CharField(
        _("kind"), max_length=20, choices=MitigationKind.choices, default=MitigationKind.PREVENTION
    )
    title_en = models.CharField(_("what is done (English)"), max_length=300, blank=True)
    title_zh = models.CharField(_("what is done (Chinese)"), max_length=300, blank=True)
    trigger_en = models.CharField(_("trigger (English)"), max_length=300, blank=True)
    trigger_zh = models.CharField(_("trigger (Chinese)"), max_length=300, blank=True)
    owner = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="owned_mitigations", verbose_name=_("owner")
    )
    state = models.CharField(
        _("state"), max_length=10, choices=MitigationState.choices, default=MitigationState.PLANNED
    )
    pending = models.GeneratedField(
        expression=models.Case(
            models.When(
                state__in=[str(state.value) for state in PENDING_MITIGATION_STATES], then=models.Value(True)
            ),
            default=models.Value(False),
        ),
        output_field=Flag(),
        db_persist=True,
    )
    progress = models.PositiveSmallIntegerField(
        _("progress"), default=0, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    start_date = models.DateField(_("start"), null=True, blank=True)
    due_date = models.DateField(_("due"), null=True, blank=True)
    due_order = models.GeneratedField(  # an index cannot put missing dates last on every database
        expression=Coalesce("due_date", models.Value(date(9999, 12, 31))),
        output_field=models.DateField(),
        db_persist=True,
    )
    done_date = models.DateField(_("done on"), null=True, blank=True, editable=False)
    cost_amount = models.DecimalField(
        _("cost"), max_digits=16, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    history = History(
        indexes=[
            models.Index(fields=["id", "history_date"], name="risks_mitigation_past"),
            models.Index(
                fields=["risk", "id", "history_date", "history_id"], name="risks_mitigation_past_risk"
            ),
        ]
    )
    title, trigger = Translated(), Translated()
    objects = MitigationQuerySet.as_manager()

    class Meta:
        verbose_name = _("mitigation")
        verbose_name_plural = _("mitigations")
        ordering = ["risk", "id"]
        indexes = [
            models.Index(
                fields=["team", "-pending", "due_order", "id", "register"], name="risks_mitigation_team_late"
            ),
            models.Index(fields=["register", "-pending", "due_order", "id"], name="risks_mitigation_late"),
            models.Index(fields=["team", "state", "kind"], name="risks_mitigation_state"),
            models.Index(
                fields=["team", "pending", "owner", "due_order", "register"], name="risks_mitigation_owner"
            ),
            models.Index(fields=["team", "state", "done_date", "register"], name="risks_mitigation_done"),
        ]  # fmt: skip
        constraints = [
            models.CheckConstraint(
                condition=~Q(title_en="", title_zh=""),
                name="risks_mitigation_has_title",
                violation_error_message=_("Say what is done."),
            ),
            models.CheckConstraint(
                condition=Q(start_date=None) | Q(due_date=None) | Q(due_date__gte=F("start_date")),
                name="risks_mitigation_due_after_start",
                violation_error_message=_("The due date lies before the start; move one of them."),
            ),
            models.CheckConstraint(
                condition=~Q(kind=MitigationKind.CONTINGENCY) | ~Q(trigger_en="", trigger_zh=""),
                name="risks_mitigation_has_trigger",
                violation_error_message=_("A contingency needs its trigger: what has to happen to start it."),
            ),
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=100),
                name="risks_mitigation_progress",
                violation_error_message=_("Progress lies between 0 and 100."),
            ),
            models.CheckConstraint(
                condition=Q(cost_amount=None) | Q(cost_amount__gte=0),
                name="risks_mitigation_cost",
                violation_error_message=_("A cost is not negative."),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_pending(self) -> bool:
        return self.state in PENDING_MITIGATION_STATES

    def is_late(self, on: date) -> bool:
        return self.is_pending and self.due_date is not None and self.due_date < on

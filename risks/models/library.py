"""The library: the taxonomy and the risk templates. No team: the product's own, for every team."""

from __future__ import annotations

from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from risks.enums import BadWhen, Frequency, MitigationKind, Strategy, Tone
from risks.models.history import History
from risks.models.team import Team
from risks.models.translated import Translated

# A comparison with NULL is neither true nor false, and a check lets that pass: both ends have to be named.
GIVEN_FREQUENCY = models.Q(frequency_low__isnull=False, frequency_high__isnull=False)
GIVEN_IMPACT = models.Q(impact_low__isnull=False, impact_likely__isnull=False, impact_high__isnull=False)

Entry = TypeVar("Entry", "Category", "Template")


class LibraryQuerySet(models.QuerySet[Entry]):
    def available_to(self, team: Team) -> LibraryQuerySet[Entry]:
        """What the team may use: the product's own entries and the team's."""
        return self.filter(models.Q(team=None) | models.Q(team=team), is_active=True)


class Category(models.Model):
    """A category (no parent) or one of its subcategories: the taxonomy has two levels."""

    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="categories", verbose_name=_("team"),
        help_text=_("Empty: for every team."),
    )  # fmt: skip
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="subcategories",
        verbose_name=_("part of"), limit_choices_to={"parent": None},
        help_text=_("Empty: a category of the first level."),
    )  # fmt: skip
    key = models.SlugField(_("key"), max_length=40)
    name_en = models.CharField(_("name (English)"), max_length=100, blank=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=100, blank=True)
    description_en = models.TextField(_("what it covers (English)"), blank=True)
    description_zh = models.TextField(_("what it covers (Chinese)"), blank=True)
    response_en = models.TextField(_("how to answer it (English)"), blank=True)
    response_zh = models.TextField(_("how to answer it (Chinese)"), blank=True)
    tone = models.CharField(_("colour"), max_length=10, choices=Tone.choices, default=Tone.GREY)
    position = models.PositiveSmallIntegerField(_("order"), default=0)
    is_active = models.BooleanField(_("in use"), default=True)
    history = History()
    name, description, response = Translated(), Translated(), Translated()
    objects = LibraryQuerySet.as_manager()

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["position", "key"]
        constraints = [
            models.UniqueConstraint(
                Coalesce("team", 0),
                Coalesce("parent", 0),
                "key",
                name="risks_category_key_once",
                violation_error_message=_("This key is taken at this place of the taxonomy."),
            ),
            models.CheckConstraint(
                condition=~models.Q(name_en="", name_zh=""),
                name="risks_category_has_name",
                violation_error_message=_("Give the category a name in at least one language."),
            ),
            models.CheckConstraint(
                condition=models.Q(parent=None) | ~models.Q(parent=models.F("id")),
                name="risks_category_not_its_parent",
                violation_error_message=_("A category cannot be part of itself."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Template(models.Model):
    """A ready risk. Frequency is yearly; impact a share of the yearly budget (ends of a 90 % interval)."""

    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="templates", verbose_name=_("team"),
        help_text=_("Empty: for every team."),
    )  # fmt: skip
    code = models.CharField(_("code"), max_length=20)
    category = models.ForeignKey(
        Category, models.PROTECT, related_name="templates", verbose_name=_("category"),
        limit_choices_to={"parent": None},
    )  # fmt: skip
    subcategory = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="subcategory_templates",
        verbose_name=_("subcategory"), limit_choices_to={"parent__isnull": False},
    )  # fmt: skip
    title_en = models.CharField(_("title (English)"), max_length=200, blank=True)
    title_zh = models.CharField(_("title (Chinese)"), max_length=200, blank=True)
    cause_en = models.TextField(_("cause (English)"), blank=True)
    cause_zh = models.TextField(_("cause (Chinese)"), blank=True)
    event_en = models.TextField(_("event (English)"), blank=True)
    event_zh = models.TextField(_("event (Chinese)"), blank=True)
    consequence_en = models.TextField(_("consequence (English)"), blank=True)
    consequence_zh = models.TextField(_("consequence (Chinese)"), blank=True)
    strategy = models.CharField(_("suggested strategy"), max_length=10, choices=Strategy.choices, blank=True)
    frequency_kind = models.CharField(
        _("frequency as"), max_length=11, choices=Frequency.choices, default=Frequency.PROBABILITY
    )
    frequency_low = models.FloatField(_("frequency from"), null=True, blank=True)
    frequency_high = models.FloatField(_("frequency to"), null=True, blank=True)
    frequency_reason_en = models.TextField(_("why this frequency (English)"), blank=True)
    frequency_reason_zh = models.TextField(_("why this frequency (Chinese)"), blank=True)
    impact_low = models.FloatField(_("impact from"), null=True, blank=True)
    impact_likely = models.FloatField(_("impact, most likely"), null=True, blank=True)
    impact_high = models.FloatField(_("impact to"), null=True, blank=True)
    impact_reason_en = models.TextField(_("why this impact (English)"), blank=True)
    impact_reason_zh = models.TextField(_("why this impact (Chinese)"), blank=True)
    is_active = models.BooleanField(
        _("offered"),
        default=True,
        help_text=_("Switched off, it is no longer offered; risks made from it stay."),
    )
    updated_at = models.DateTimeField(auto_now=True, editable=False)
    history = History()
    title, cause, event, consequence = Translated(), Translated(), Translated(), Translated()
    frequency_reason, impact_reason = Translated(), Translated()
    objects = LibraryQuerySet.as_manager()

    class Meta:
        verbose_name = _("risk template")
        verbose_name_plural = _("risk templates")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                Coalesce("team", 0),
                "code",
                name="risks_template_code_once",
                violation_error_message=_("Another template has this code; choose another."),
            ),
            models.CheckConstraint(
                condition=~models.Q(title_en="", title_zh=""),
                name="risks_template_has_title",
                violation_error_message=_("Give the template a title in at least one language."),
            ),
            models.CheckConstraint(
                condition=models.Q(frequency_low=None, frequency_high=None)
                | GIVEN_FREQUENCY
                & models.Q(frequency_low__gte=0, frequency_high__gte=models.F("frequency_low")),
                name="risks_template_frequency_range",
                violation_error_message=_("Give both ends of the frequency, the lower one first."),
            ),
            models.CheckConstraint(
                condition=~models.Q(frequency_kind=Frequency.PROBABILITY)
                | models.Q(frequency_high=None)
                | models.Q(frequency_high__lte=1),
                name="risks_template_probability_share",
                violation_error_message=_("A yearly probability lies between 0 and 1; 0.2 is one in five."),
            ),
            models.CheckConstraint(
                condition=models.Q(impact_low=None, impact_likely=None, impact_high=None)
                | GIVEN_IMPACT
                & models.Q(
                    impact_low__gt=0,
                    impact_likely__gte=models.F("impact_low"),
                    impact_high__gte=models.F("impact_likely"),
                ),
                name="risks_template_impact_range",
                violation_error_message=_(
                    "Give all three impacts above zero, from the lowest to the highest."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} · {self.title}"

    def clean(self) -> None:
        """The subcategory is one of the category's, and the category the team's or everybody's."""
        if self.category_id and self.category.team_id not in (None, self.team_id):
            raise ValidationError({"category": _("This category belongs to another team.")})
        if self.subcategory is not None and self.subcategory.parent_id != self.category_id:
            raise ValidationError({"subcategory": _("Choose a subcategory of the chosen category.")})


class TemplateMitigation(models.Model):
    template = models.ForeignKey(Template, models.CASCADE, related_name="mitigations")
    kind = models.CharField(_("kind"), max_length=20, choices=MitigationKind.choices)
    title_en = models.CharField(_("what is done (English)"), max_length=300, blank=True)
    title_zh = models.CharField(_("what is done (Chinese)"), max_length=300, blank=True)
    trigger_en = models.CharField(_("trigger (English)"), max_length=300, blank=True)
    trigger_zh = models.CharField(_("trigger (Chinese)"), max_length=300, blank=True)
    position = models.PositiveSmallIntegerField(_("order"), default=0)
    title, trigger = Translated(), Translated()

    class Meta:
        verbose_name = _("suggested mitigation")
        verbose_name_plural = _("suggested mitigations")
        ordering = ["template", "position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(title_en="", title_zh=""),
                name="risks_templatemitigation_has_title",
                violation_error_message=_("Say in at least one language what is done."),
            ),
            models.CheckConstraint(
                condition=~models.Q(kind=MitigationKind.CONTINGENCY)
                | ~models.Q(trigger_en="", trigger_zh=""),
                name="risks_templatemitigation_has_trigger",
                violation_error_message=_("A contingency needs its trigger: what has to happen to start it."),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class IndicatorBase(models.Model):
    """A measured number that warns at `amber` and alarms at `red`."""

    name_en = models.CharField(_("what is measured (English)"), max_length=200, blank=True)
    name_zh = models.CharField(_("what is measured (Chinese)"), max_length=200, blank=True)
    unit_en = models.CharField(_("unit (English)"), max_length=30, blank=True)
    unit_zh = models.CharField(_("unit (Chinese)"), max_length=30, blank=True)
    amber = models.FloatField(_("warns at"))
    red = models.FloatField(_("alarms at"))
    bad_when = models.CharField(_("direction"), max_length=5, choices=BadWhen.choices, default=BadWhen.ABOVE)
    position = models.PositiveSmallIntegerField(_("order"), default=0)
    name, unit = Translated(), Translated()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(name_en="", name_zh=""),
                name="risks_%(class)s_has_name",
                violation_error_message=_("Name the indicator in at least one language."),
            ),
            models.CheckConstraint(
                condition=models.Q(bad_when=BadWhen.ABOVE, red__gte=models.F("amber"))
                | models.Q(bad_when=BadWhen.BELOW, red__lte=models.F("amber")),
                name="risks_%(class)s_thresholds",
                violation_error_message=_("The warning must come before the alarm in the bad direction."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TemplateIndicator(IndicatorBase):
    template = models.ForeignKey(Template, models.CASCADE, related_name="indicators")

    class Meta(IndicatorBase.Meta):
        verbose_name = _("suggested indicator")
        verbose_name_plural = _("suggested indicators")
        ordering = ["template", "position", "id"]


class TemplateReference(models.Model):
    """Where a template's content is rooted: a standard, a law, a catalogue, with the places in it."""

    template = models.ForeignKey(Template, models.CASCADE, related_name="references")
    source = models.CharField(_("source"), max_length=100)
    items = models.CharField(_("places"), max_length=300, blank=True, help_text=_("Separated by commas."))

    class Meta:
        verbose_name = _("reference")
        verbose_name_plural = _("references")
        ordering = ["template", "source"]

    def __str__(self) -> str:
        return f"{self.source} {self.items}".strip()

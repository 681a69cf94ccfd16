"""What an export of risks says about each: columns with their values, the same in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from risks import formatting
from risks.enums import Kind, State, Strategy
from risks.models import Category, Mitigation, Register, Risk
from risks.models.team import known_address, person_name
from risks.queries.as_of import mitigations_at
from risks.queries.matrix import load_matrix

Value = str | int | float | Decimal | date | datetime | None
CHUNK = 500
"""Rows fetched at a time."""


class Format(Enum):
    """What kind of value a column holds; TEXT may be long."""

    CODE = "code"
    TEXT = "text"
    NUMBER = "number"
    SHARE = "share"
    AMOUNT = "amount"
    DAY = "day"
    MOMENT = "moment"


@dataclass(frozen=True)
class ExportColumn:
    """A heading in the reader's language, what stands below it, and how it is read from a record."""

    heading: str
    format: Format
    value: Callable[[Any], Value]


class Table(Protocol):
    """What can be written as a file, in every format: its title, columns, and rows of their values."""

    @property
    def title(self) -> str: ...
    @property
    def columns(self) -> list[ExportColumn]: ...
    def __iter__(self) -> Iterator[list[Value]]: ...


@dataclass(frozen=True)
class Sheet:
    """Columns, and the risks in their order."""

    columns: list[ExportColumn]
    risks: QuerySet[Any]

    @property
    def title(self) -> str:
        return _("Risks")

    def __iter__(self) -> Iterator[list[Value]]:
        """The rows; one query however many there are."""
        getters = [column.value for column in self.columns]
        for risk in self.risks.iterator(chunk_size=CHUNK):
            yield [value(risk) for value in getters]


def risk_sheet(
    risks: QuerySet[Risk],
    *,
    registers: Sequence[Register],
    taxonomy: Mapping[int, Category],
    today: date,
    until: datetime | None = None,
) -> Sheet:
    """The sheet of `risks`, all of `registers`, in the language of the moment.

    For a past day `today` is that day, `until` the moment just after it, and `risks` are versions.
    """
    if until:
        mitigations = mitigations_at(until, risk=OuterRef(OuterRef("id")))
    else:
        mitigations = Mitigation.objects.all()
    pending = mitigations.filter(risk=OuterRef("id"), pending=True).order_by().values("risk")
    annotated = risks.annotate(
        owner_name=F("owner__name"),
        owner_email=F("owner__email"),
        pending_count=_subcount(pending.annotate(number=Count("pk"))),
        late_count=_subcount(pending.annotate(number=Count("pk", filter=Q(due_date__lt=today)))),
    )
    columns = _columns({register.pk: register for register in registers}, taxonomy)
    if until:
        columns.insert(1, ExportColumn(pgettext("export", "As of"), Format.DAY, lambda _risk: today))
    return Sheet(columns, annotated)


def _subcount(grouped: Any) -> Coalesce:
    return Coalesce(Subquery(grouped.values("number"), output_field=IntegerField()), 0)


def _columns(registers: Mapping[int, Register], taxonomy: Mapping[int, Category]) -> list[ExportColumn]:
    states = {value: str(label) for value, label in State.choices}
    strategies = {"": "", **{value: str(label) for value, label in Strategy.choices}}
    names = {pk: category.name for pk, category in taxonomy.items()}

    def of_register(name: str) -> Callable[[Any], Value]:
        values = {pk: getattr(register, name) for pk, register in registers.items()}
        return lambda risk: values[risk.register_id]

    def loss(risk: Any) -> str:
        register = registers[risk.register_id]
        return formatting.loss(risk.expected_loss, register.budget_amount, register.currency)

    def loss_amount(risk: Any) -> float | None:
        budget = registers[risk.register_id].budget_amount
        return round(float(budget) * risk.expected_loss, 2) if budget and risk.expected_loss else None

    texts = ("title", "cause", "event", "consequence")
    return [
        _own("code", Format.CODE),
        ExportColumn(_("Register"), Format.CODE, of_register("key")),
        *(_own(f"{text}_{language}", Format.TEXT) for text in texts for language in ("en", "zh")),
        ExportColumn(_("Category"), Format.CODE, lambda risk: names.get(risk.category_id, "")),
        ExportColumn(_("Subcategory"), Format.CODE, lambda risk: names.get(risk.subcategory_id, "")),
        ExportColumn(
            _("Owner"), Format.CODE, lambda risk: person_name(risk.owner_name or "", risk.owner_email or "")
        ),
        ExportColumn(
            _("Owner's e-mail address"), Format.CODE, lambda risk: known_address(risk.owner_email or "")
        ),
        ExportColumn(_("State"), Format.CODE, lambda risk: states[risk.state]),
        ExportColumn(_("Strategy"), Format.CODE, lambda risk: strategies[risk.strategy]),
        *(column for kind in Kind for column in _position(kind, registers)),
        ExportColumn(_("Expected loss a year"), Format.CODE, loss),
        ExportColumn(
            _("Expected loss a year, share of the budget"),
            Format.SHARE,
            lambda risk: round(risk.expected_loss, 8) or None,
        ),
        ExportColumn(_("Expected loss a year, amount"), Format.AMOUNT, loss_amount),
        ExportColumn(_("Currency"), Format.CODE, of_register("currency")),
        _own("next_review_date", Format.DAY),
        _own("logged_at", Format.MOMENT),
        _own("updated_at", Format.MOMENT),
        ExportColumn(_("Open mitigations"), Format.NUMBER, lambda risk: risk.pending_count),
        ExportColumn(_("Late mitigations"), Format.NUMBER, lambda risk: risk.late_count),
    ]


def _own(name: str, kind: Format) -> ExportColumn:
    """A field of the risk under its own name; moments in the reader's time zone."""
    label = str(Risk._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    heading = label[:1].upper() + label[1:]
    if kind is Format.MOMENT:
        return ExportColumn(heading, kind, lambda risk: timezone.make_naive(getattr(risk, name)))
    return ExportColumn(heading, kind, lambda risk: getattr(risk, name))


def _position(kind: Kind, registers: Mapping[int, Register]) -> list[ExportColumn]:
    """Probability, impact, score and level of one of the three positions."""
    words = {
        (pk, number): level.name
        for pk, register in registers.items()
        for number, level in load_matrix(register.matrix).levels.items()
    }

    def number(name: str) -> Callable[[Any], Value]:
        return lambda risk: getattr(risk, f"{kind.value}_{name}")

    def word(risk: Any) -> str:
        return words.get((risk.register_id, getattr(risk, f"{kind.value}_level")), "")

    def heading(what: str) -> str:
        return _("%(position)s: %(what)s") % {"position": kind.label, "what": what}

    return [
        ExportColumn(heading(_("probability")), Format.NUMBER, number("probability")),
        ExportColumn(heading(_("impact")), Format.NUMBER, number("impact")),
        ExportColumn(heading(_("score")), Format.NUMBER, number("score")),
        ExportColumn(heading(_("level")), Format.CODE, word),
    ]

"""Lists as tables: columns and ordering by django-tables2, rows written lean.

The library's own template spends half a millisecond on a row, because every cell is a bound object with
computed attributes. Here a cell is the return value of one method, `cell_<column>(record)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property, lru_cache
from html import escape
from typing import Any, ClassVar
from urllib.parse import urlencode

import django_tables2
from django.core.paginator import Page, Paginator
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Coalesce, NullIf
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext, pgettext_lazy
from django.utils.translation import gettext as _

from risks import formatting, rules
from risks.enums import MitigationKind, MitigationState, State, Strategy
from risks.models import Category, Mitigation, Register, Risk, User
from risks.models.risk import RiskQuerySet
from risks.models.translated import record_language
from risks.quant.matrix import rank
from risks.queries.changes import window_start
from risks.queries.matrix import LoadedMatrix, load_matrix
from risks.queries.risk_list import Options, mitigation_counts, net_movements, people_by_id
from risks.rules import Actor
from risks.templatetags.risks import mitigation_icon

Text = str | Promise


@dataclass(frozen=True)
class Address:
    """A list's address: the path, and the query that holds the list's whole state."""

    path: str
    params: QueryDict

    def url(self, **changes: str | Sequence[str]) -> str:
        """The same list with these parameters changed, an empty value taken away, from the first page on."""
        query = {name: values for name, values in self.params.lists() if name != "page"}
        for name, value in changes.items():
            query[name] = [value] if isinstance(value, str) else list(value)
        filled = {name: [value for value in values if value] for name, values in query.items()}
        text = urlencode(filled, doseq=True)
        return f"{self.path}?{text}" if text else self.path

    @property
    def query(self) -> str:
        """The query alone, in one spelling, without the page: for saved views, exports and bulk changes."""
        return self.url().partition("?")[2]


class Column(django_tables2.Column):
    """A column. Every request has its own, to show or hide; what is in it is never changed and so shared."""

    def __deepcopy__(self, memo: Any) -> Column:
        return copy(self)


def html(template: str, *values: str | int) -> SafeString:
    """`format_html` for plain texts and numbers, at a third of its cost: a page has hundreds of cells."""
    escaped = [value if isinstance(value, SafeString | int) else escape(value) for value in values]
    return SafeString(template.format(*escaped))  # nosec B703 - what is not safe is escaped


@dataclass(frozen=True)
class Head:
    """A column's heading, with the address that sorts by it (empty if none does)."""

    name: str
    label: Text
    css: str
    url: str
    direction: str  # ascending, descending or empty


class Ordered(django_tables2.data.TableQuerysetData):
    """Rows in the order of the chosen column and then of the primary key, so that no page repeats a row."""

    data: QuerySet[Any]

    def order_by(self, aliases: Any) -> None:
        super().order_by(aliases)
        # The key runs the way the column does: an index on both can then be read in one go.
        key = "-id" if aliases and aliases[0].is_descending else "id"
        self.data = self.data.order_by(*self.data.query.order_by, key)


class ListTable(django_tables2.Table):
    """The base of every list: `templates/_shared/table.html` draws it, `_pager.html` its pages.

    Reads sort, columns, density, per_page and page from the address. What makes no sense there is in
    `errors`, by parameter, and then there are no rows. A subclass declares columns, a `cell_<column>(record)`
    for each, returning text or SafeString, and what `load` reads.
    """

    page_sizes: ClassVar[tuple[str, ...]] = ("25", "50", "100")
    page_size: ClassVar[str] = "50"
    densities: ClassVar[tuple[str, ...]] = ("comfortable", "compact")
    counted: int | None = None  # how many rows there are, where somebody knows it cheaper than by counting
    default_sort: ClassVar[str]
    default_columns: ClassVar[tuple[str, ...]]
    required_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, queryset: QuerySet[Any], *, address: Address, caption: Text, without: Iterable[str] = ()
    ) -> None:
        """`without` names columns that this reader or register has no use for."""
        self.address, self.caption = address, caption
        self.errors: dict[str, str] = {}
        without = tuple(without)
        available = [name for name in self.base_columns if name not in without]
        self.sort = self._choice("sort", self._sorts(available), self.default_sort)
        self.density = self._choice("density", self.densities, self.densities[0])
        self.per_page_choice = self._choice("per_page", self.page_sizes, self.page_size)
        shown = self._shown(available)
        super().__init__(
            Ordered(queryset.none() if self.errors else queryset), order_by=self.sort, exclude=without
        )
        for name in available:
            if name not in shown:
                self.columns.hide(name)

    def load(self, queryset: QuerySet[Any]) -> list[Any]:
        """The records of one page. `queryset` is ordered and holds just these rows."""
        return list(queryset)

    def row_class(self, record: Any) -> str:
        return ""

    def _choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        value = self.address.params.get(name, "") or default
        if value in allowed:
            return value
        self.errors[name] = _("“%(value)s” is not one of the choices.") % {"value": value[:50]}
        return default

    @classmethod
    def _sorts(cls, names: Iterable[str]) -> list[str]:
        sortable = [name for name in names if cls.base_columns[name].orderable is not False]
        return [sign + name for name in sortable for sign in ("", "-")]

    def _shown(self, available: Sequence[str]) -> set[str]:
        chosen = [name for name in self.address.params.getlist("columns") if name]
        unknown = [name for name in chosen if name not in self.base_columns]
        if unknown:
            self.errors["columns"] = _("“%(value)s” is not one of the choices.") % {"value": unknown[0][:50]}
        return {*(chosen or self.default_columns), *self.required_columns}

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What makes no sense: the parameter in words and the message."""
        labels = {
            "sort": _("Order"),
            "columns": _("Columns"),
            "density": _("Density"),
            "per_page": _("Rows on a page"),
        }
        return [(labels[name], message) for name, message in self.errors.items()]

    # --- one page of rows

    @cached_property
    def current_page(self) -> Page[Any]:
        """The page asked for; the last one if it lies beyond the end."""
        paginator = Paginator(self.keys(), int(self.per_page_choice))
        if self.counted is not None:
            paginator.count = self.counted  # a cached property
        return paginator.get_page(self.address.params.get("page"))

    def keys(self) -> Any:
        """Keys of all rows in their order, of which a page is cut and which are counted."""
        return self.data.data.values_list("pk", flat=True)

    @property
    def total(self) -> int:
        return self.current_page.paginator.count

    @cached_property
    def records(self) -> list[Any]:
        """The page's rows: their keys are found through an index, and only these rows are read in full."""
        if not self.total:
            return []
        ordered = self.data.data
        rows = ordered.model._default_manager.filter(pk__in=self.current_page.object_list)
        return self.load(rows.order_by(*ordered.query.order_by))

    @property
    def page_links(self) -> list[tuple[str, str]]:
        """Numbers of the pages near the current one with their addresses; the gaps have none."""
        paginator = self.current_page.paginator
        numbers = paginator.get_elided_page_range(self.current_page.number, on_each_side=1, on_ends=1)
        return [(str(n), self.page_url(n) if isinstance(n, int) else "") for n in numbers]

    def page_url(self, number: int) -> str:
        return self.address.url(page="" if number == 1 else str(number))

    @property
    def previous_url(self) -> str:
        page = self.current_page
        return self.page_url(page.number - 1) if page.has_previous() else ""

    @property
    def next_url(self) -> str:
        page = self.current_page
        return self.page_url(page.number + 1) if page.has_next() else ""

    # --- what the template draws

    @property
    def heads(self) -> list[Head]:
        return [self._head(column) for column in self.columns]

    def _head(self, column: Any) -> Head:
        name = column.name
        direction = {name: "ascending", f"-{name}": "descending"}.get(self.sort, "")
        url = self.address.url(sort=self._next_sort(name)) if column.orderable else ""
        return Head(name, column.header, self._css(column), url, direction)

    def _next_sort(self, name: str) -> str:
        """What a click on the heading asks for: the other direction; numbers begin with the highest."""
        first = f"-{name}" if "num" in self._css(self.columns[name]) else name
        wanted = {name: f"-{name}", f"-{name}": name}.get(self.sort, first)
        return "" if wanted == self.default_sort else wanted

    @staticmethod
    def _css(column: Any) -> str:
        given = column.column.attrs.get("td", {}).get("class", "")
        return f"cell-{column.name} {given}".strip()

    @property
    def column_choices(self) -> list[tuple[str, Text, bool]]:
        """Columns one may switch on and off: name, label, whether shown."""
        return [
            (column.name, column.header, column.visible)
            for column in self.columns.iterall()
            if column.name not in self.required_columns
        ]

    @property
    def sort_options(self) -> SafeString:
        """Every ordering as options of a select, for where the headings are out of sight."""
        labels = {"": _("%(column)s, rising"), "-": _("%(column)s, falling")}
        return format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            (
                (
                    "" if sort == self.default_sort else sort,
                    SafeString(" selected" if sort == self.sort else ""),  # nosec B703
                    labels[sort[: -len(name)]] % {"column": label},
                )
                for name, label in (
                    (column.name, str(column.header)) for column in self.columns.iterall() if column.orderable
                )
                for sort in (name, f"-{name}")
            ),
        )

    @property
    def body(self) -> SafeString:
        """The rows of the page as HTML."""
        cells = [
            (html('<td class="{}">', self._css(column)), getattr(self, f"cell_{column.name}"))
            for column in self.columns
        ]
        return SafeString("".join(self._row(record, cells) for record in self.records))  # nosec B703 - cells are escaped

    def _row(self, record: Any, cells: list[tuple[SafeString, Callable[[Any], Any]]]) -> str:
        css = self.row_class(record)
        parts = [html('<tr class="{}">', css) if css else "<tr>"]
        for opening, cell in cells:
            value = cell(record)
            parts += (opening, value if isinstance(value, SafeString) else escape(value), "</td>")
        return "".join(parts) + "</tr>\n"


def _column(label: Text, *order_by: str, css: str = "") -> Column:
    """A column that sorts by these fields; without any, not at all (an `order_<column>` method overrules)."""
    return Column(
        verbose_name=label, order_by=order_by or None, orderable=bool(order_by), attrs={"td": {"class": css}}
    )


@lru_cache(maxsize=4096)
def _day(value: date | None, language: str | None) -> str:
    """The date as `formatting.day` writes it; dates of a list repeat, and writing one takes 20 µs."""
    return formatting.day(value)


_TITLE_LINK = '<a class="clip" dir="auto" href="{}">{}</a>'
_OTHER_TITLE_LINK = '<a class="clip" dir="auto" href="{}" lang="{}">{}</a>'
_EDIT_LINKS = {
    field: f'<a class="edit" href="{{}}field/{field}/" aria-describedby="edit-hint">{{}}</a>'
    for field in ("owner", "state", "review")
}


class RiskTable(ListTable):
    """The list of risks. Owner, state and next review lead to where they are changed, if one may."""

    default_sort = "-level"
    default_columns = (
        "code", "title", "category", "owner", "level", "movement", "strategy", "state", "review",
    )  # fmt: skip
    required_columns = ("select", "code", "title")
    _fields = (
        "id", "team_id", "register_id", "number", "code", "title_en", "title_zh", "category_id",
        "subcategory_id", "owner_id", "created_by_id", "state", "strategy", "next_review_date",
        "expected_loss", "updated_at",
        "inherent_level", "inherent_score", "residual_level", "residual_score", "residual_rank",
        "target_level", "target_score",
    )  # fmt: skip

    select = _column("")
    code = _column(gettext_lazy("Code"), "number", css="nowrap tabular")
    title = _column(gettext_lazy("Title"), "title")
    register = _column(gettext_lazy("Register"), "register__key", "number", css="nowrap")
    category = _column(gettext_lazy("Category"), "category__position", "category__key")
    subcategory = _column(gettext_lazy("Subcategory"), "category__position", "subcategory__position")
    owner = _column(gettext_lazy("Owner"), "owner__name")
    inherent = _column(pgettext_lazy("assessment", "Inherent"), "inherent_rank", css="nowrap")
    level = _column(pgettext_lazy("assessment", "Residual"), "residual_rank", css="nowrap")
    target = _column(pgettext_lazy("assessment", "Target"), "target_rank", css="nowrap")
    movement = _column(gettext_lazy("30 days"), css="nowrap")
    loss = _column(gettext_lazy("Expected loss a year"), "expected_loss", css="num nowrap")
    strategy = _column(gettext_lazy("Strategy"), "strategy")
    state = _column(gettext_lazy("State"), "state", css="nowrap")
    review = _column(gettext_lazy("Next review"), "next_review_date", css="nowrap")
    mitigations = _column(gettext_lazy("Open mitigations"), css="nowrap")
    updated = _column(gettext_lazy("Last change"), "updated_at", css="nowrap")

    def __init__(
        self,
        queryset: QuerySet[Any],
        *,
        address: Address,
        actor: Actor,
        registers: Sequence[Register],
        options: Options,
        today: date,
        until: datetime | None = None,
    ) -> None:
        """`registers` are those that `queryset` may hold risks of.

        For a past day `today` is that day, `until` the moment just after it, and `queryset` of versions.
        """
        alone = registers[0] if len(registers) == 1 else None
        without = [
            *(() if rules.can_bulk_edit(actor, alone) else ("select",)),
            *(() if len(registers) > 1 else ("register",)),
        ]
        self.chinese = record_language() == "zh"
        self.registers = {register.pk: register for register in registers}
        super().__init__(queryset, address=address, caption=_("Risks"), without=without)
        self.actor, self.options, self.today, self.until = actor, options, today, until
        self.people: dict[int, User] = dict(options.everybody)
        self.net: dict[int, int] = {}
        self.counts: dict[int, tuple[int, int]] = {}
        self.states = {value: str(label) for value, label in State.choices}
        self.strategies = {"": "", **{value: str(label) for value, label in Strategy.choices}}
        suffix = f"?as_of={today}" if until else ""
        self.url = cache(lambda code: html("{}{}/{}", address.path, code, suffix))
        self.category_name = cache(self._category_name)
        self.level_badge = cache(self._level_badge)

    def keys(self) -> Any:
        """Those of a past day are read at once: to find them again for the count takes longer."""
        return list(super().keys()) if self.until else super().keys()

    def load(self, queryset: QuerySet[Risk]) -> list[Risk]:
        risks = list(queryset.only(*self._fields))
        for risk in risks:
            risk.register = self.registers[risk.register_id]
        keys = [risk.id for risk in risks]
        owners = {risk.owner_id for risk in risks if risk.owner_id}
        self.people |= people_by_id(owners - self.people.keys())
        if self.columns["movement"].visible:
            versions = [risk.pk for risk in risks] if self.until else ()
            self.net = net_movements(keys, window_start(self.today), versions)
        if self.columns["mitigations"].visible:
            self.counts = mitigation_counts(keys, self.today, self.until)
        return risks

    def row_class(self, record: Risk) -> str:
        return "row-over" if record.state == State.CLOSED else ""

    # --- orderings that are no plain column

    def order_code(self, risks: RiskQuerySet, descending: bool) -> tuple[RiskQuerySet, bool]:
        """Register after register. Only if they are named does SQLite read this order off its index."""
        sign = "-" * descending
        return risks.filter(register__in=self.registers).order_by(f"{sign}register_id", f"{sign}number"), True

    def order_title(self, risks: RiskQuerySet, descending: bool) -> tuple[RiskQuerySet, bool]:
        """By both plain columns, which an index holds; titles that lack the reader's language come first."""
        languages = ("zh", "en") if self.chinese else ("en", "zh")
        return risks.order_by(*(f"{'-' * descending}title_{language}" for language in languages)), True

    def order_state(self, risks: RiskQuerySet, descending: bool) -> tuple[RiskQuerySet, bool]:
        return risks.order_by(_listed("state", State.values, descending)), True

    def order_strategy(self, risks: RiskQuerySet, descending: bool) -> tuple[RiskQuerySet, bool]:
        return risks.order_by(_listed("strategy", Strategy.values, descending)), True

    def order_review(self, risks: RiskQuerySet, descending: bool) -> tuple[RiskQuerySet, bool]:
        day = F("next_review_date")
        return risks.order_by(day.desc(nulls_last=True) if descending else day.asc(nulls_last=True)), True

    # --- cells

    def cell_select(self, risk: Risk) -> SafeString:
        return html(
            '<input class="form-check-input" type="checkbox" form="bulk" name="risk" value="{}"'
            ' aria-label="{}">',
            risk.pk, risk.code,
        )  # fmt: skip

    def cell_code(self, risk: Risk) -> str:
        return risk.code

    def cell_title(self, risk: Risk) -> SafeString:
        """The title leads to the risk; one that exists in the other language only says which that is."""
        first, other = (risk.title_zh, risk.title_en) if self.chinese else (risk.title_en, risk.title_zh)
        if first:
            return html(_TITLE_LINK, self.url(risk.code), first)
        language = "en" if self.chinese else "zh-hans"
        return html(_OTHER_TITLE_LINK, self.url(risk.code), language, other)

    def cell_register(self, risk: Risk) -> str:
        return self.registers[risk.register_id].key

    def cell_category(self, risk: Risk) -> str:
        return self.category_name(risk.category_id)

    def cell_subcategory(self, risk: Risk) -> str:
        return self.category_name(risk.subcategory_id)

    def cell_owner(self, risk: Risk) -> SafeString | str:
        person = self.people.get(risk.owner_id or 0)
        text = str(person) if person else html('<span class="muted">{}</span>', _("Nobody"))
        return self._editable(risk, "owner", text, rules.can_edit_risk(self.actor, risk))

    def cell_inherent(self, risk: Risk) -> SafeString:
        return self.level_badge(risk.register_id, risk.inherent_level, risk.inherent_score)

    def cell_level(self, risk: Risk) -> SafeString:
        return self.level_badge(risk.register_id, risk.residual_level, risk.residual_score)

    def cell_target(self, risk: Risk) -> SafeString:
        return self.level_badge(risk.register_id, risk.target_level, risk.target_score)

    def cell_movement(self, risk: Risk) -> SafeString | str:
        """Up or down, and from which score."""
        net = self.net.get(risk.id, 0)
        level, score = divmod(rank(risk.residual_level, risk.residual_score) - net, 1000)
        before = self._matrix(risk.register_id).levels.get(level)
        if not net or before is None:
            return ""
        return html(
            '<span class="move-{}" title="{}"><span aria-hidden="true">{}</span>'
            '<span class="visually-hidden">{}</span> {}</span>',
            "up" if net > 0 else "down",
            _("%(level)s 30 days ago") % {"level": f"{score} {before.name}"},
            "↑" if net > 0 else "↓",
            pgettext("change", "Up") if net > 0 else pgettext("change", "Down"),
            _("from %(score)s") % {"score": score},
        )

    def cell_loss(self, risk: Risk) -> str:
        register = self.registers[risk.register_id]
        return formatting.loss(risk.expected_loss, register.budget_amount, register.currency)

    def cell_strategy(self, risk: Risk) -> str:
        return self.strategies[risk.strategy]

    def cell_state(self, risk: Risk) -> SafeString | str:
        movable = any(rules.can_move_risk(self.actor, risk, move) for move in rules.moves_from(risk.state))
        return self._editable(risk, "state", self.states[risk.state], movable)

    def cell_review(self, risk: Risk) -> SafeString | str:
        text: SafeString | str = _day(risk.next_review_date, get_language())
        if risk.is_review_due(self.today):
            text = html('{} <span class="tag tag-late">{}</span>', text, _("late"))
        elif not text:
            text = html('<span class="muted">{}</span>', _("None"))
        return self._editable(risk, "review", text, rules.can_edit_risk(self.actor, risk))

    def cell_mitigations(self, risk: Risk) -> SafeString | str:
        count, late = self.counts.get(risk.id, (0, 0))
        if not late:
            return str(count)
        return html('{} <span class="tag tag-late">{}</span>', count, _("%(count)d late") % {"count": late})

    def cell_updated(self, risk: Risk) -> str:
        return _day(timezone.localdate(risk.updated_at), get_language())

    def _editable(self, risk: Risk, field: str, text: SafeString | str, allowed: bool) -> SafeString | str:
        if not allowed:
            return text
        return html(_EDIT_LINKS[field], self.url(risk.code), text)

    def _category_name(self, pk: int | None) -> str:
        category: Category | None = self.options.taxonomy.get(pk or 0)
        return category.name if category else ""

    def _matrix(self, register_id: int) -> LoadedMatrix:
        return load_matrix(self.registers[register_id].matrix)

    def _level_badge(self, register_id: int, level: int | None, score: int | None) -> SafeString:
        if level is None:
            return html('<span class="muted">{}</span>', _("Not assessed"))
        return formatting.level_badge(self._matrix(register_id).level(level), score)


def _listed(column: str, values: Sequence[str], descending: bool) -> Any:
    """Order by the place of the value in the list; anything else comes first."""
    place = Case(
        *(When(**{column: value}, then=Value(number)) for number, value in enumerate(values, 1)),
        default=Value(0),
    )
    return place.desc() if descending else place.asc()


class MitigationTable(ListTable):
    """The list of mitigations, late ones first. The title leads to the mitigation, the code to its risk."""

    default_sort = "due"
    default_columns = ("title", "risk", "owner", "state", "due", "cost")
    required_columns = ("title", "risk")
    _fields = (
        "kind", "title_en", "title_zh", "trigger_en", "trigger_zh", "state", "progress", "due_date",
        "done_date", "cost_amount", "register_id", "owner__name", "owner__email",
        "risk__code", "risk__title_en", "risk__title_zh",
    )  # fmt: skip

    title = _column(gettext_lazy("What is done"), "title")
    kind = _column(gettext_lazy("Kind"), "kind", css="nowrap")
    risk = _column(gettext_lazy("Risk"), "risk__register__key", "risk__number", css="nowrap tabular")
    owner = _column(gettext_lazy("Owner"), "owner__name")
    state = _column(gettext_lazy("State"), "state", css="nowrap")
    due = _column(gettext_lazy("Due"), "due_order", css="nowrap")
    cost = _column(gettext_lazy("Cost"), "cost_amount", css="num nowrap")

    def __init__(
        self,
        queryset: QuerySet[Mitigation],
        *,
        address: Address,
        risks_path: str,
        registers: Sequence[Register],
        today: date,
        people: Iterable[User] = (),
    ) -> None:
        """`people` are those of the team, by whom the table knows who has left."""
        super().__init__(queryset, address=address, caption=_("Mitigations"))
        self.risks_path, self.today = risks_path, today
        self.left = {person.pk: str(person) for person in people if person.has_left}
        self.currencies = {register.pk: register.currency for register in registers}
        self.kinds = {kind.value: (str(kind.label), mitigation_icon(kind)) for kind in MitigationKind}
        self.states = {value: str(label) for value, label in MitigationState.choices}
        self.url = cache(lambda code: format_html("{}{}/", address.path, code))
        self.day = cache(formatting.day)

    def load(self, queryset: QuerySet[Mitigation]) -> list[Mitigation]:
        return list(queryset.select_related("owner", "risk").only(*self._fields))

    def row_class(self, record: Mitigation) -> str:
        return f"kind-{record.kind}" if record.is_pending else f"kind-{record.kind} row-over"

    # --- orderings that are no plain column

    def order_title(self, found: QuerySet[Mitigation], descending: bool) -> tuple[QuerySet[Mitigation], bool]:
        first, second = ("zh", "en") if record_language() == "zh" else ("en", "zh")
        title = Coalesce(NullIf(f"title_{first}", Value("")), F(f"title_{second}"))
        return found.order_by(title.desc() if descending else title.asc()), True

    def order_state(self, found: QuerySet[Mitigation], descending: bool) -> tuple[QuerySet[Mitigation], bool]:
        return found.order_by(_listed("state", MitigationState.values, descending)), True

    def order_due(self, found: QuerySet[Mitigation], descending: bool) -> tuple[QuerySet[Mitigation], bool]:
        """What is finished stays behind what is not; the latest due day first if falling."""
        return found.order_by("-pending", "-due_order" if descending else "due_order"), True

    def order_cost(self, found: QuerySet[Mitigation], descending: bool) -> tuple[QuerySet[Mitigation], bool]:
        cost = F("cost_amount")
        return found.order_by(cost.desc(nulls_last=True) if descending else cost.asc(nulls_last=True)), True

    # --- cells

    def cell_title(self, record: Mitigation) -> SafeString:
        name, sign = self.kinds[record.kind]
        trigger: SafeString | str = ""
        if record.trigger:
            trigger = format_html('<span class="trigger">{} {}</span>', _("Trigger:"), record.trigger)
        return format_html(
            '<span class="kind">{} {}</span><a class="clip" href="{}{}/">{}</a>{}',
            sign, name, self.address.path, record.pk, record.title, trigger,
        )  # fmt: skip

    def cell_kind(self, record: Mitigation) -> str:
        return self.kinds[record.kind][0]

    def cell_risk(self, record: Mitigation) -> SafeString:
        return format_html(
            '<a href="{}{}/" title="{}">{}</a>',
            self.risks_path, record.risk.code, record.risk.title, record.risk.code,
        )  # fmt: skip

    def cell_owner(self, record: Mitigation) -> SafeString | str:
        if record.owner is None:
            return format_html('<span class="muted">{}</span>', _("Nobody"))
        return self.left.get(record.owner.pk) or str(record.owner)

    def cell_state(self, record: Mitigation) -> SafeString | str:
        state = self.states[record.state]
        if record.state != MitigationState.UNDER_WAY:
            return state
        return format_html('{} <span class="muted tabular">{} %</span>', state, record.progress)

    def cell_due(self, record: Mitigation) -> SafeString | str:
        if record.done_date:
            return format_html('<span class="muted">{} {}</span>', _("done"), self.day(record.done_date))
        if not record.is_late(self.today) or record.due_date is None:
            return self.day(record.due_date)
        late = (self.today - record.due_date).days
        words = ngettext("%(days)d day late", "%(days)d days late", late) % {"days": late}
        return format_html('{} <span class="tag tag-late">{}</span>', self.day(record.due_date), words)

    def cell_cost(self, record: Mitigation) -> str:
        return formatting.money(record.cost_amount, self.currencies[record.register_id])

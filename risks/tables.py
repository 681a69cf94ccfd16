"""Lists as tables: columns and ordering by django-tables2, rows written lean.

The library's own template spends half a millisecond on a row, because every cell is a bound object with computed
attributes. Here a cell is the return value of one method, `cell_<column>(record)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlencode

import django_tables2
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_tables2 import Column

Text = str | Promise

PAGE_SIZES = ("25", "50", "100")
DENSITIES = ("comfortable", "compact")


@dataclass(frozen=True)
class Address:
    """A list's address: the path, and the query that holds the list's whole state."""

    path: str
    params: QueryDict

    def url(self, **changes: str | Sequence[str]) -> str:
        """The same list with these parameters changed; an empty value takes one away. The page starts over."""
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

    def order_by(self, aliases: Any) -> None:
        super().order_by(aliases)
        # The key runs the way the column does: an index on both can then be read in one go.
        pk = "-pk" if aliases and aliases[0].is_descending else "pk"
        self.data = self.data.order_by(*self.data.query.order_by, pk)


class ListTable(django_tables2.Table):
    """The base of every list: `templates/_shared/table.html` draws it, `_pager.html` its pages.

    Reads sort, columns, density, per_page and page from the address. What makes no sense there is in `errors`, by
    parameter, and then there are no rows. A subclass declares columns (`attrs={"td": {"class": …}}` for every cell
    of one), `cell_<column>(record)` for each, returning text or SafeString, and what `load` reads.
    """

    default_sort: ClassVar[str]
    default_columns: ClassVar[tuple[str, ...]]
    required_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, queryset: QuerySet[Any], *, address: Address, caption: Text, without: Iterable[str] = ()
    ) -> None:
        """`without` names columns that this reader or register has no use for."""
        self.address, self.caption = address, caption
        self.errors: dict[str, str] = {}
        available = [name for name in self.base_columns if name not in set(without)]
        self.sort = self._choice("sort", self._sorts(available), self.default_sort)
        self.density = self._choice("density", DENSITIES, DENSITIES[0])
        self.per_page_choice = self._choice("per_page", PAGE_SIZES, PAGE_SIZES[1])
        shown = self._shown(available)
        super().__init__(
            Ordered(queryset.none() if self.errors else queryset), order_by=self.sort, exclude=tuple(without)
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
        fixed = {name for name in available if not self.base_columns[name].verbose_name}
        return {*(chosen or self.default_columns), *self.required_columns, *fixed}

    # --- one page of rows

    @cached_property
    def current_page(self) -> Page[Any]:
        """The page asked for; the last one if it lies beyond the end."""
        keys = self.data.data.values_list("pk", flat=True)
        return Paginator(keys, int(self.per_page_choice)).get_page(self.address.params.get("page"))

    @property
    def total(self) -> int:
        return self.current_page.paginator.count

    @cached_property
    def records(self) -> list[Any]:
        """The page's rows: their keys are read through an index first, and only these rows in full."""
        if not self.total:
            return []
        keys = list(self.current_page.object_list)
        ordered = self.data.data
        return self.load(ordered.model._default_manager.filter(pk__in=keys).order_by(*ordered.query.order_by))

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
            if column.column.verbose_name and column.name not in self.required_columns
        ]

    @property
    def sort_choices(self) -> list[tuple[str, str]]:
        """Every ordering, for where the headings are out of sight."""
        labels = {"": _("%(column)s, rising"), "-": _("%(column)s, falling")}
        return [
            (sign + column.name, labels[sign] % {"column": column.header})
            for column in self.columns.iterall()
            if column.orderable and column.column.verbose_name
            for sign in ("", "-")
        ]

    @property
    def body(self) -> SafeString:
        """The rows of the page as HTML."""
        cells = [
            (format_html('<td class="{}">', self._css(column)), getattr(self, f"cell_{column.name}"))
            for column in self.columns
        ]
        return SafeString("".join(self._row(record, cells) for record in self.records))

    def _row(self, record: Any, cells: list[tuple[SafeString, Callable[[Any], Any]]]) -> str:
        css = self.row_class(record)
        start = format_html('<tr class="{}">', css) if css else "<tr>"
        inner = "".join(f"{opening}{conditional_escape(cell(record))}</td>" for opening, cell in cells)
        return f"{start}{inner}</tr>\n"


__all__ = ["Address", "Column", "Head", "ListTable"]

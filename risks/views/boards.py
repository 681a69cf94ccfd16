"""Heat maps as they are drawn: rows of cells with counts, codes and the lists behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import Kind
from risks.formatting import money_range, share_range
from risks.models import MatrixLevel, MatrixStep, Register, Risk
from risks.quant.matrix import Cell
from risks.queries.heat_map import Place, RegisterCounts, Shown
from risks.queries.matrix import LoadedMatrix, load_matrix
from risks.views.access import AS_OF, Scope


@dataclass(frozen=True, slots=True)
class Chip:
    """A risk in its cell. `why` says why the person may not move it."""

    code: str
    title: str
    url: str
    rank: int
    why: str

    @property
    def html(self) -> str:
        why = f" — {self.why}" if self.why else ""
        move = 'draggable="false"' if self.why else f'draggable="true" data-rank="{self.rank}"'
        title = f'title="{escape(self.title + why)}"'
        opening = f'<a class="chip" id="chip-{self.code}" href="{self.url}" {title} {move}>'
        return f"<li>{opening}{self.code}</a></li>"


@dataclass(frozen=True, slots=True)
class BoardCell:
    """A cell with its count, the list behind it (if there is one) and its first risks.

    Written here and not in a template: a page has up to 49 cells and 300 chips, and templates take ten times
    as long for them.
    """

    cell: Cell
    level: MatrixLevel
    label: str
    count: int
    url: str
    chips: Sequence[Chip]

    @property
    def html(self) -> SafeString:
        label, place = escape(self.label), f"{self.cell.probability}-{self.cell.impact}"
        parts = [
            f'<div class="heat-cell tone-{self.level.tone}" role="cell" data-place="{place}"'
            f' data-level="{self.cell.level}" data-label="{label}">'
            f'<span class="heat-score" aria-hidden="true">{self.level.mark} {self.cell.score}</span>',
            self._count(label),
        ]
        if self.chips:
            parts += ['<ul class="chips">', *(chip.html for chip in self.chips), self._more(), "</ul>"]
        return SafeString("".join([*parts, "</div>"]))  # nosec B703 - parts are escaped

    def _count(self, label: str) -> str:
        if not self.count:
            return f'<span class="visually-hidden">{label}: 0</span>'
        inner = f'{self.count}<span class="visually-hidden">: {label}</span>'
        if not self.url:
            return f'<span class="heat-count" title="{label}">{inner}</span>'
        return f'<a class="heat-count" href="{escape(self.url)}" title="{label}">{inner}</a>'

    def _more(self) -> str:
        more = self.count - len(self.chips)
        if not more:
            return ""
        text = escape(_("+%(count)s more") % {"count": more})
        if not self.url:
            return f'<li><span class="chip-more">{text}</span></li>'
        return f'<li><a class="chip-more" href="{escape(self.url)}">{text}</a></li>'


@dataclass(frozen=True)
class Head:
    step: MatrixStep
    range: str


@dataclass(frozen=True)
class Board:
    """One matrix with all the registers that use it."""

    matrix: LoadedMatrix
    registers: Sequence[Register]
    rows: Sequence[tuple[Head, Sequence[BoardCell]]]
    columns: Sequence[Head]

    @property
    def name(self) -> str:
        return self.registers[0].matrix.name

    @property
    def cells(self) -> dict[Place, BoardCell]:
        return {(c.cell.probability, c.cell.impact): c for _head, cells in self.rows for c in cells}


@dataclass(frozen=True)
class Arrow:
    """A risk's way from its inherent to its residual cell."""

    code: str
    title: str
    url: str
    before: BoardCell
    after: BoardCell


CELL_WIDTH, CELL_HEIGHT = 200, 100
"""Of a cell in the drawing of the arrows, which is stretched to the size of the grid."""


@dataclass(frozen=True)
class ArrowLine:
    """A line of the drawing, as thick as there are risks that go this way."""

    path: str
    width: int

    @classmethod
    def between(cls, before: Cell, after: Cell, height: int, count: int) -> ArrowLine:
        x1, y1 = _centre(before, height)
        x2, y2 = _centre(after, height)
        dx, dy = x2 - x1, y2 - y1
        length = max((dx**2 + dy**2) ** 0.5, 1)
        ux, uy = dx / length, dy / length
        x2, y2 = x2 - ux * 16, y2 - uy * 16
        wings = [(x2 - 14 * ux + 8 * side * uy, y2 - 14 * uy - 8 * side * ux) for side in (1, -1)]
        (ax, ay), (bx, by) = wings
        path = f"M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}M{ax:.0f} {ay:.0f}L{x2:.0f} {y2:.0f}L{bx:.0f} {by:.0f}"
        return cls(path, min(1 + count, 5))


def _centre(cell: Cell, height: int) -> tuple[float, float]:
    return (cell.impact - 0.5) * CELL_WIDTH, (height - cell.probability + 0.5) * CELL_HEIGHT


@dataclass(frozen=True)
class Arrows:
    """The ways of risks over one board: each risk's, and one line for each pair of cells."""

    ways: Sequence[Arrow]
    lines: Sequence[ArrowLine]
    width: int
    height: int


def draw_arrows(scope: Scope, board: Board, risks: Iterable[Risk]) -> Arrows:
    path, day, cells = reverse("risks:risk-list", args=[scope.team.slug]), scope.day_query, board.cells
    register_ids = {register.pk for register in board.registers}
    ways = [
        Arrow(risk.code, risk.title, f"{path}{risk.code}/{day}", cells[before], cells[after])
        for risk in risks
        if risk.register_id in register_ids
        and (before := risk.position(Kind.INHERENT)) in cells
        and (after := risk.position(Kind.RESIDUAL)) in cells
    ]
    pairs = Counter((way.before.cell, way.after.cell) for way in ways)
    height = len(board.rows)
    lines = [ArrowLine.between(before, after, height, count) for (before, after), count in pairs.items()]
    return Arrows(ways, lines, len(board.columns) * CELL_WIDTH, height * CELL_HEIGHT)


@dataclass(frozen=True)
class ListLinks:
    """Addresses of the list of risks, narrowed as the page is."""

    path: str
    kept: Mapping[str, str]

    @classmethod
    def of(cls, scope: Scope, path: str = "", **kept: str) -> ListLinks:
        """`path`: that of the list, unless another page is linked to in the same way."""
        own = {"register": scope.register_key, AS_OF: f"{scope.as_of or ''}"}
        path = path or reverse("risks:risk-list", args=[scope.team.slug])
        return cls(path, {name: value for name, value in {**own, **kept}.items() if value})

    def url(self, **params: object) -> str:
        query = {**self.kept, **params}
        return f"{self.path}?{urlencode(query, doseq=True)}" if query else self.path


def build_boards(
    scope: Scope,
    counts: Mapping[int, RegisterCounts],
    kind: Kind,
    links: ListLinks,
    risks: Iterable[Shown] = (),
) -> list[Board]:
    """A board for each matrix that the shown registers use, in their order.

    `risks` become chips in their cells, in the order given.
    """
    users: dict[int, list[Register]] = {}
    for register in scope.shown_registers:
        users.setdefault(register.matrix_id, []).append(register)
    chips = _chips(scope, risks)
    boards = []
    for matrix_id, registers in users.items():
        matrix = load_matrix(registers[0].matrix)
        cells: Counter[Place] = Counter()
        for register in registers:
            cells.update(counts[register.pk].cells)
        listed = _cell_list(links, kind, registers, alone=len(users) == 1)
        rows = [
            (
                Head(step, share_range(step.low, step.high)),
                [_board_cell(matrix, step, cell, cells, chips.get(matrix_id, {}), listed) for cell in row],
            )
            for step, row in matrix.rows
        ]
        boards.append(Board(matrix, registers, rows, _columns(matrix, registers)))
    return boards


def _chips(scope: Scope, risks: Iterable[Shown]) -> dict[int, dict[Place, list[Chip]]]:
    """By matrix and cell."""
    path, why_not = reverse("risks:risk-list", args=[scope.team.slug]), why_not_assess(scope)
    day = scope.day_query
    matrices = {register.pk: register.matrix_id for register in scope.shown_registers}
    found: dict[int, dict[Place, list[Chip]]] = {}
    for risk in risks:
        place = (risk.probability or 0, risk.impact or 0)
        chips = found.setdefault(matrices[risk.register_id], {}).setdefault(place, [])
        chips.append(Chip(risk.code, risk.title, f"{path}{risk.code}/{day}", risk.rank, why_not(risk)))
    return found


def _cell_list(links: ListLinks, kind: Kind, registers: Sequence[Register], *, alone: bool) -> str:
    """Address of the list behind a board's cells, but for the cell; empty if there is no such list.

    A list can be narrowed to one register or none, so a board beside others needs to be of one register.
    """
    if alone:
        return links.url(kind=kind.value, state="active")
    if len(registers) == 1:
        return links.url(register=registers[0].key, kind=kind.value, state="active")
    return ""


def _columns(matrix: LoadedMatrix, registers: Sequence[Register]) -> list[Head]:
    alone = registers[0] if len(registers) == 1 else None
    budget, currency = (alone.budget_amount, alone.currency) if alone else (None, "")
    return [Head(step, money_range(step.low, step.high, budget, currency)) for step in matrix.impacts]


def _board_cell(
    matrix: LoadedMatrix,
    probability: MatrixStep,
    cell: Cell,
    counts: Counter[Place],
    chips: Mapping[Place, list[Chip]],
    listed: str,
) -> BoardCell:
    level, place = matrix.level(cell.level), (cell.probability, cell.impact)
    label = f"{probability.name} × {matrix.impacts[cell.impact - 1].name}: {level.name} {cell.score}"
    url = f"{listed}&probability={place[0]}&impact={place[1]}" if listed and counts[place] else ""
    return BoardCell(cell, level, label, counts[place], url, chips.get(place, ()))


def why_not_assess(scope: Scope) -> Callable[[Shown], str]:
    """Tells why the person may not score a risk; asks the rule once for all that are alike to it."""
    me = scope.user.pk

    @cache
    def ask(register_id: int, state: str, owner_id: int | None, created_by_id: int | None) -> str:
        register = scope.register_of(register_id)
        risk = Risk(
            team=scope.team, register=register, state=state, owner_id=owner_id, created_by_id=created_by_id
        )
        return rules.reason_against(rules.check_can_assess_risk, scope.actor, risk)

    def mine(user_id: int | None) -> int | None:
        return me if user_id == me else None

    return lambda risk: ask(risk.register_id, risk.state, mine(risk.owner_id), mine(risk.created_by_id))

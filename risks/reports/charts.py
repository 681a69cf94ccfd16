"""The report's pictures as SVG: the matrix with the month's moves, and the levels over twelve months.

Lengths are points; a picture is as wide as the text. Colours darken with the level, so that a grey-scale
print keeps their order, and every colour has its number or word beside it.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

from risks.enums import Tone
from risks.queries.matrix import LoadedMatrix

WIDTH = 493.0
INK, RULE, MUTED = "#1c2430", "#c9ced6", "#5b6573"
FILLS = {
    Tone.GREEN: "#e6efe7",
    Tone.YELLOW: "#efe0a6",
    Tone.ORANGE: "#e2b184",
    Tone.RED: "#c77f78",
    Tone.BLUE: "#cbdcec",
    Tone.PURPLE: "#cdbfdd",
    Tone.GREY: "#dfe2e6",
}
_FAMILY = "RiskReg Sans, RiskReg SC, RiskReg TC, RiskReg Emoji, RiskReg Hebrew, RiskReg Arabic"

Cell = tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """An SVG as an address for <img>, with the words that stand for it."""

    src: str
    alt: str


@dataclass(frozen=True)
class Mark:
    """One risk in a cell; `came` is ↑, ↓ or → where it moved into the cell this month."""

    code: str
    came: str = ""

    @property
    def text(self) -> str:
        return f"{self.code} {self.came}".strip()


def draw_matrix(
    matrix: LoadedMatrix, cells: Mapping[Cell, Sequence[Mark]], moves: Iterable[tuple[Cell, Cell]],
    axes: tuple[str, str], alt: str,
) -> Picture:  # fmt: skip
    """Counts and codes in the cells, an arrow for each way risks went; `axes` is probability, impact."""
    plan = _Plan(len(matrix.impacts), len(matrix.probabilities))
    parts = [
        _text(4, 10, axes[0], 7, fill=MUTED),
        _text(WIDTH, plan.bottom + 31, axes[1], 7, "end", fill=MUTED),
    ]
    for step in matrix.probabilities:
        x, y = plan.corner((step.index, 1))
        lines = _wrapped(step.name, plan.left - 14, 7.5)
        top = y + plan.height / 2 + 2.5 - (len(lines) - 1) * 4.5
        parts += [_text(x - 7, top + 9 * i, line, 7.5, "end") for i, line in enumerate(lines)]
    for step in matrix.impacts:
        x, _y = plan.corner((1, step.index))
        lines = _wrapped(step.name, plan.width - 4, 7.5)[:2]
        middle, below = x + plan.width / 2, plan.bottom + 11
        parts += [_text(middle, below + 9 * i, line, 7.5, "middle") for i, line in enumerate(lines)]
    for where, cell in matrix.grid.cells.items():
        level = matrix.level(cell.level)
        score = f"{level.mark} {cell.score}"
        parts += _cell(plan, where, FILLS[Tone(level.tone)], score, cells.get(where, ()))
    ways = Counter(
        (start, end) for start, end in moves if start != end and {start, end} <= matrix.grid.cells.keys()
    )
    parts += [shape for (start, end), count in ways.items() for shape in _arrow(plan, start, end, count)]
    return _picture(plan.bottom + 34, parts, alt)


class _Plan:
    """Where the cells of a matrix lie: probability rises upwards, impact to the right."""

    left, top, full_height = 74.0, 16.0, 310.0

    def __init__(self, columns: int, rows: int) -> None:
        self.rows = rows
        self.width, self.height = (WIDTH - self.left) / columns, self.full_height / rows
        self.bottom = self.top + self.full_height

    def corner(self, cell: Cell) -> tuple[float, float]:
        probability, impact = cell
        return self.left + (impact - 1) * self.width, self.top + (self.rows - probability) * self.height

    def anchor(self, cell: Cell) -> tuple[float, float]:
        """Where arrows of the cell begin and end: its right, below and beside which nothing is written."""
        x, y = self.corner(cell)
        return x + self.width - 9, y + self.height - 17


def _cell(plan: _Plan, where: Cell, fill: str, score: str, marks: Sequence[Mark]) -> list[str]:
    x, y = plan.corner(where)
    parts = [
        _box(x + 0.75, y + 0.75, plan.width - 1.5, plan.height - 1.5, fill),
        _text(x + 6, y + plan.height - 5, score, 6.6, fill="#3d4653"),
    ]
    if not marks:
        return parts
    parts.append(_text(x + 6, y + 12, str(len(marks)), 9, weight=600))
    column = max(_width(mark.text, 6.2) for mark in marks) + 3
    columns = max(1, int((plan.width - 14) / column))
    rows = max(1, int((plan.height - 34) / 8.5))
    room = columns * rows
    shown = list(marks) if len(marks) <= room else [*marks[: room - 1], Mark(f"+{len(marks) - room + 1}")]
    for i, mark in enumerate(shown):
        at = x + 6 + i % columns * column, y + 22 + i // columns * 8.5
        parts.append(_text(*at, mark.text, 6.2, weight=600 if mark.came else 400))
    return parts


def _arrow(plan: _Plan, start: Cell, end: Cell, count: int) -> list[str]:
    (x1, y1), (x2, y2) = plan.anchor(start), plan.anchor(end)
    length = hypot(x2 - x1, y2 - y1)
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    side = 2.2  # to the right of the way, so that a way and its opposite stay apart
    x1, y1, x2, y2 = x1 - uy * side, y1 + ux * side, x2 - uy * side, y2 + ux * side
    bx, by = x2 - ux * 6, y2 - uy * 6
    wx, wy = -uy * 2.8, ux * 2.8
    head = f"{x2:.1f},{y2:.1f} {bx + wx:.1f},{by + wy:.1f} {bx - wx:.1f},{by - wy:.1f}"
    line = f'x1="{x1 + ux * 2:.1f}" y1="{y1 + uy * 2:.1f}" x2="{bx:.1f}" y2="{by:.1f}"'
    shapes = [
        f'<line {line} stroke="#ffffff" stroke-width="2.6"/>',
        f'<line {line} stroke="{INK}" stroke-width="1.1"/>',
        f'<circle cx="{x1:.1f}" cy="{y1:.1f}" r="2" fill="#ffffff" stroke="{INK}" stroke-width="1"/>',
        f'<polygon points="{head}" fill="{INK}"/>',
    ]
    if count > 1:
        shapes.append(_text((x1 + x2) / 2 + 4, (y1 + y2) / 2 - 3, f"×{count}", 6.6, weight=600))
    return shapes


@dataclass(frozen=True)
class Column:
    """One month of the trend: its label and the number of risks by level (0: not assessed)."""

    label: str
    levels: Mapping[int, int]


def draw_trend(
    matrix: LoadedMatrix, columns: Sequence[Column], unassessed: str, alt: str,
) -> Picture:  # fmt: skip
    """Stacked columns, the highest level at the foot, those not assessed, named `unassessed`, on top."""
    base = 122.0
    most = max([sum(column.levels.values()) for column in columns] + [1])
    step = WIDTH / max(len(columns), 6)
    bar = min(step * 0.62, 34)
    parts = [f'<line x1="0" y1="{base}" x2="{WIDTH}" y2="{base}" stroke="{RULE}" stroke-width="0.75"/>']
    entries = [(level.name, FILLS[Tone(level.tone)], "none") for level in matrix.worst_first]
    if any(column.levels.get(0) for column in columns):
        entries.append((unassessed, "#ffffff", RULE))
    parts += _legend(entries)
    order = [level.level for level in matrix.worst_first] + [0]
    for i, column in enumerate(columns):
        x, y = i * step + (step - bar) / 2, base
        for level in order:
            count = column.levels.get(level, 0)
            if not count:
                continue
            tall = count / most * 84
            y -= tall
            fill = FILLS[Tone(matrix.level(level).tone)] if level else "#ffffff"
            parts.append(_box(x, y, bar, tall, fill, "#ffffff" if level else RULE))
            if tall >= 8:
                parts.append(_text(x + bar / 2, y + tall / 2 + 2.4, str(count), 6.8, "middle"))
        parts.append(_text(x + bar / 2, y - 4, str(sum(column.levels.values())), 7.5, "middle", 600))
        parts.append(_text(x + bar / 2, base + 11, column.label, 7.2, "middle", fill=MUTED))
    return _picture(base + 14, parts, alt)


def _legend(entries: Sequence[tuple[str, str, str]]) -> list[str]:
    parts, x = [], 0.0
    for name, fill, stroke in entries:
        parts += [_box(x, 2, 8, 8, fill, stroke), _text(x + 12, 9, name, 7.2)]
        x += 12 + _width(name, 7.2) + 14
    return parts


def _box(x: float, y: float, width: float, height: float, fill: str, stroke: str = "none") -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="0.75"/>'
    )


def _text(
    x: float, y: float, text: str, size: float, anchor: str = "start", weight: int = 400, fill: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{fill}">{escape(text)}</text>'
    )


def _width(text: str, size: float) -> float:
    """Roughly how wide a text prints; a wide character is as wide as it is high."""
    return size * sum(1.0 if east_asian_width(character) in "WF" else 0.6 for character in text)


def _wrapped(text: str, width: float, size: float) -> list[str]:
    """The text in up to three lines of the width: broken at spaces, else anywhere."""
    lines = [""]
    for piece in text.split(" ") if " " in text else text:
        joined = f"{lines[-1]} {piece}".strip() if " " in text else lines[-1] + piece
        if lines[-1] and _width(joined, size) > width:
            lines.append(piece)
        else:
            lines[-1] = joined
    return lines if len(lines) <= 3 else [*lines[:2], lines[2] + "…"]


def _picture(height: float, parts: Iterable[str], alt: str) -> Picture:
    size = f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}pt" height="{height:.0f}pt"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FAMILY}">'
        f"<title>{escape(alt)}</title>{''.join(parts)}</svg>"
    )
    return Picture("data:image/svg+xml;base64," + b64encode(svg.encode()).decode(), alt)

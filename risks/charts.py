"""Pictures of one risk as SVG for its page: where it stands on the matrix, and how that changed.

Colours and faces come from the style sheet by class, so that both themes and the printer have theirs; the
words of a picture are said beside it too. Lengths are pixels at the width the picture is drawn for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from unicodedata import east_asian_width

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from risks.enums import Kind
from risks.formatting import day
from risks.models import Assessment
from risks.queries.matrix import LoadedMatrix

Place = tuple[int, int]
Point = tuple[float, float]


def _text_width(text: str) -> float:
    """About how wide a text is at 12 px."""
    return sum(12.5 if east_asian_width(char) in "WF" else 6.4 for char in text)


@lru_cache(maxsize=512)
def _wrapped(text: str, width: float, lines: int = 2) -> tuple[str, ...]:
    """The text in at most so many lines, cut where it is longer."""
    found = [""]
    for word in text.split(" "):
        longer = f"{found[-1]} {word}".strip()
        if _text_width(longer) <= width or not found[-1]:
            found[-1] = longer
        else:
            found.append(word)
    kept = found[:lines]
    return tuple(_cut(line, width) if _text_width(line) > width + 4 else line for line in kept)


def _cut(text: str, width: float) -> str:
    while text and _text_width(text) > width - 6:
        text = text[:-1]
    return f"{text}…"


def _label(x: float, y: float, lines: Sequence[str], anchor: str, middle: bool = False) -> str:
    top = y - (len(lines) - 1) * 7 if middle else y
    return "".join(
        f'<text x="{x:.0f}" y="{top + 14 * i:.0f}" text-anchor="{anchor}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )


# --- where the risk stands

LEFT, CELL_WIDTH, CELL_HEIGHT, GAP = 84, 54, 36, 2
BELOW = 5
"""How far below the middle of a cell marks stand, to leave its score free."""
SPREAD = {1: [0.0], 2: [-12.0, 12.0], 3: [-17.0, 0.0, 17.0]}
"""Where marks stand that share a cell, from its middle."""


def draw_positions(
    matrix: LoadedMatrix, positions: Mapping[Kind, Place | None], initials: Mapping[Kind, str]
) -> SafeString:
    """The matrix with the position of each kind and the way between them, but for positions outside it."""
    width = LEFT + CELL_WIDTH * len(matrix.impacts)
    bottom = CELL_HEIGHT * len(matrix.probabilities)
    centre = _centres(matrix, positions)
    parts = [_cells(matrix), _axes(matrix, bottom)]
    placed = [centre[kind] for kind in Kind if kind in centre]
    parts += [_way(start, end) for start, end in pairwise(placed)]
    parts += [
        f'<g class="mark mark-{kind.value}"><circle cx="{x:.0f}" cy="{y:.0f}" r="9"/>'
        f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle">{escape(initials[kind])}</text></g>'
        for kind, (x, y) in centre.items()
    ]
    return format_html(
        '<svg class="risk-positions" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        width, bottom + 34, _said(matrix, positions), mark_safe("".join(parts)),  # noqa: S308  # nosec B308 B703 - parts are escaped
    )  # fmt: skip


def _corner(matrix: LoadedMatrix, place: Place) -> Point:
    probability, impact = place
    return LEFT + CELL_WIDTH * (impact - 1), CELL_HEIGHT * (len(matrix.probabilities) - probability)


def _cells(matrix: LoadedMatrix) -> str:
    size = f'width="{CELL_WIDTH - GAP}" height="{CELL_HEIGHT - GAP}"'
    parts = []
    for place, cell in matrix.grid.cells.items():
        (x, y), tone = _corner(matrix, place), matrix.level(cell.level).tone
        parts.append(
            f'<rect class="fill-{tone}" x="{x + GAP / 2}" y="{y + GAP / 2}" {size} rx="3"/>'
            f'<text class="cell-score ink-{tone}" x="{x + CELL_WIDTH - 5}" y="{y + 11}" text-anchor="end">'
            f"{cell.score}</text>"
        )
    return "".join(parts)


def _axes(matrix: LoadedMatrix, bottom: float) -> str:
    rows = [
        _label(LEFT - 8, _corner(matrix, (step.index, 1))[1] + CELL_HEIGHT / 2 + 4,
               _wrapped(step.name, LEFT - 10), "end", middle=True)
        for step in matrix.probabilities
    ]  # fmt: skip
    columns = [
        _label(_corner(matrix, (1, step.index))[0] + CELL_WIDTH / 2, bottom + 14,
               _wrapped(step.name, CELL_WIDTH - 2), "middle")
        for step in matrix.impacts
    ]  # fmt: skip
    return "".join([*rows, *columns])


def _centres(matrix: LoadedMatrix, positions: Mapping[Kind, Place | None]) -> dict[Kind, Point]:
    sharing: defaultdict[Place, list[Kind]] = defaultdict(list)
    for kind in Kind:
        place = positions.get(kind)
        if place in matrix.grid.cells and place is not None:
            sharing[place].append(kind)
    centres: dict[Kind, Point] = {}
    for place, kinds in sharing.items():
        x, y = _corner(matrix, place)
        for kind, aside in zip(kinds, SPREAD[len(kinds)], strict=True):
            centres[kind] = x + CELL_WIDTH / 2 + aside, y + CELL_HEIGHT / 2 + BELOW
    return {kind: centres[kind] for kind in Kind if kind in centres}


def _way(start: Point, end: Point) -> str:
    """An arrow between two marks, not reaching into them."""
    (x1, y1), (x2, y2) = start, end
    length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1.0)
    if length < 28:  # side by side in one cell
        return ""
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    x1, y1, x2, y2 = x1 + 11 * ux, y1 + 11 * uy, x2 - 12 * ux, y2 - 12 * uy
    wings = [(x2 - 7 * ux + side * 4 * uy, y2 - 7 * uy - side * 4 * ux) for side in (1, -1)]
    numbers = (x1, y1, x2, y2, *wings[0], x2, y2, *wings[1])
    path = "M{:.1f} {:.1f}L{:.1f} {:.1f}M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}".format(*numbers)
    return f'<path class="way-edge" d="{path}"/><path class="way" d="{path}"/>'


def _said(matrix: LoadedMatrix, positions: Mapping[Kind, Place | None]) -> str:
    said = []
    for kind in Kind:
        place = positions.get(kind)
        if place is None or place not in matrix.grid.cells:
            continue
        probability, impact = place
        words = matrix.probabilities[probability - 1].name, matrix.impacts[impact - 1].name
        said.append(f"{kind.label}: {words[0]} × {words[1]}, {matrix.level_at(*place).name}")
    return "; ".join(said) or _("Not scored yet")


# --- how it changed

WIDTH, BAND, CHART_LEFT, CHART_RIGHT, TOP = 720, 34, 72, 84, 4
MARGIN = 9
"""Between a line and the edge of its band."""
SHORTEST = timedelta(days=2)
"""What the chart shows at least."""


@dataclass(frozen=True)
class _Scale:
    """From moments and levels to places in the chart: every level a band of the same height, worst on top."""

    start: datetime
    end: datetime
    matrix: LoadedMatrix
    levels: Sequence[int]

    def x(self, moment: datetime) -> float:
        span = (self.end - self.start).total_seconds()
        share = (moment - self.start).total_seconds() / span
        return CHART_LEFT + share * (WIDTH - CHART_LEFT - CHART_RIGHT)

    def y(self, level: int, score: int, matrix_id: int) -> float:
        """Inside its band by the score; in the middle where another matrix gave the score."""
        band = TOP + BAND * (len(self.levels) - 1 - self._band(level))
        least, most = self._scores.get(level, (0, 0))
        if matrix_id != self.matrix.id or least == most:
            return band + BAND / 2
        share = (min(max(score, least), most) - least) / (most - least)
        return band + BAND - MARGIN - share * (BAND - 2 * MARGIN)

    @cached_property
    def _scores(self) -> dict[int, tuple[int, int]]:
        """The least and the greatest score of each level."""
        found: dict[int, tuple[int, int]] = {}
        for cell in self.matrix.grid.cells.values():
            least, most = found.get(cell.level, (cell.score, cell.score))
            found[cell.level] = min(least, cell.score), max(most, cell.score)
        return found

    def _band(self, level: int) -> int:
        return sum(1 for each in self.levels if each < level)

    @property
    def bottom(self) -> float:
        return TOP + BAND * len(self.levels)


def draw_steps(matrix: LoadedMatrix, assessments: Sequence[Assessment], now: datetime) -> SafeString:
    """Each kind's level and score over time, one step at each assessment; empty without any.

    Assessments come oldest first. The last value holds until `now`.
    """
    if not assessments:
        return SafeString("")
    end = max(now, assessments[-1].assessed_at)
    start = min(assessments[0].assessed_at, end - SHORTEST)
    scale = _Scale(start, end, matrix, sorted(matrix.levels))
    series = {kind: [each for each in assessments if each.kind == kind] for kind in Kind}
    parts = [_bands(scale), _days(scale)]
    parts += [_steps(kind, acts, scale) for kind, acts in series.items() if acts]
    parts += _names(series, scale)
    return format_html(
        '<svg class="risk-steps" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        WIDTH, f"{scale.bottom + 20:.0f}",
        _("Levels of the assessments over time; the table below says the same."),
        mark_safe("".join(parts)),  # noqa: S308  # nosec B308 B703 - parts are escaped
    )  # fmt: skip


def _bands(scale: _Scale) -> str:
    size = f'width="{WIDTH - CHART_LEFT - CHART_RIGHT}" height="{BAND - 1}"'
    parts = []
    for row, level in enumerate(scale.matrix.worst_first):
        top, (name,) = TOP + BAND * row, _wrapped(level.name, CHART_LEFT - 22, lines=1)
        parts.append(f'<rect class="band fill-{level.tone}" x="{CHART_LEFT}" y="{top}" {size}/>')
        parts.append(_label(CHART_LEFT - 8, top + BAND / 2 + 4, [f"{level.mark} {name}"], "end"))
    return "".join(parts)


def _days(scale: _Scale) -> str:
    middle = scale.start + (scale.end - scale.start) / 2
    ticks = [(scale.start, "start"), (middle, "middle"), (scale.end, "end")]
    return "".join(_label(scale.x(at), scale.bottom + 15, [day(at)], anchor) for at, anchor in ticks)


def _steps(kind: Kind, acts: Sequence[Assessment], scale: _Scale) -> str:
    points = [(scale.x(act.assessed_at), scale.y(act.level, act.score, act.matrix_id)) for act in acts]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    path += "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:]) + f"H{scale.x(scale.end):.1f}"
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
        f"<title>{day(act.assessed_at)}: {act.score}</title></circle>"
        for (x, y), act in zip(points, acts, strict=True)
    )
    return f'<g class="series series-{kind.value}"><path d="{path}"/>{dots}</g>'


def _names(series: Mapping[Kind, Sequence[Assessment]], scale: _Scale) -> list[str]:
    """Each kind's name at the end of its line, moved apart where lines end close together."""
    ends = sorted(
        (scale.y(acts[-1].level, acts[-1].score, acts[-1].matrix_id), kind)
        for kind, acts in series.items()
        if acts
    )
    names, lowest = [], 0.0
    for y, kind in ends:
        lowest = max(y + 4, lowest + 14)
        x, name = WIDTH - CHART_RIGHT + 6, escape(str(kind.label))
        names.append(f'<text class="name-{kind.value}" x="{x}" y="{lowest:.0f}">{name}</text>')
    return names

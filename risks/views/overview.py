"""The overview: where do we stand, and what do I do next?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from risks import formatting, rules
from risks.enums import Kind, Level, Moved, State
from risks.htmx import render_page
from risks.models import MatrixLevel
from risks.queries.heat_map import RegisterCounts
from risks.queries.matrix import load_matrix
from risks.queries.overview import Asked, MoveRow, Overview, RiskRow, ScoringRow, Trend, Work, read_overview
from risks.tables import RiskTable
from risks.views.access import Scope, team_view
from risks.views.account import LAST_TEAM
from risks.views.boards import ListLinks, build_boards


@require_safe
@team_view
def overview(request: HttpRequest, scope: Scope) -> HttpResponse:
    if request.session.get(LAST_TEAM) != scope.team.slug:
        request.session[LAST_TEAM] = scope.team.slug
    asked = Asked(
        scope.team,
        scope.shown_registers,
        scope.register,
        scope.user,
        confirms=scope.actor.is_manager,
        today=timezone.localdate(),
        left_out=scope.archived,
    )
    found = read_overview(asked)
    if found.is_empty:
        why_not = rules.reason_against(rules.check_can_propose_risk, scope.actor)
        return render_page(request, "risks/overview/empty.html", {"why_not": why_not})
    links, levels = ListLinks.of(scope), _levels(scope)
    context = {
        "found": found,
        "figures": list(_figures(scope, found, links)),
        "boards": [(board, None) for board in build_boards(scope, found.counts, Kind.RESIDUAL, links)],
        "unassessed": sum(counts.unassessed for counts in found.counts.values()),
        "unassessed_url": links.url(unassessed=1),
        "work": [group for group in _work(scope, found, links, asked.today) if group.count],
        "top": [_top_row(scope, risk, links.path) for risk in found.top],
        "top_url": links.url(state="active", sort="-level"),
        "changes": [
            (Moved(what), count, links.url(moved=what.value)) for what, count in found.changes.items()
        ],
        "acts": [_act(scope, act, links.path) for act in found.acts],
        "trend": draw_trend(found.trend, levels, links),
    }
    return render_page(request, "risks/overview/overview.html", context)


def _levels(scope: Scope) -> dict[int, MatrixLevel]:
    """Words of the levels: of the first register's matrix, and of the others where they have more."""
    found: dict[int, MatrixLevel] = {}
    for register in scope.shown_registers:
        found = {**load_matrix(register.matrix).levels, **found}
    return found


# --- figures


@dataclass(frozen=True)
class Figure:
    label: str
    value: str
    url: str
    is_bad: bool = False
    note: str = ""


def _figures(scope: Scope, found: Overview, links: ListLinks) -> Iterator[Figure]:
    mitigations = reverse("risks:mitigation-list", args=[scope.team.slug])
    register = {"register": scope.register.key} if scope.register else {}
    counts = found.counts.values()
    levels = Counter[int]()
    for its_register in scope.shown_registers:
        levels += found.counts[its_register.pk].levels(load_matrix(its_register.matrix).grid)
    high, unassessed = levels[Level.HIGH] + levels[Level.CRITICAL], sum(each.unassessed for each in counts)
    yield Figure(_("Active risks"), str(sum(each.active for each in counts)), links.url(state="active"))
    yield Figure(_("High or critical"), str(high), f"{links.url(state='active')}&level=3&level=4")
    late = found.late_mitigations
    yield Figure(
        _("Late mitigations"), str(late), f"{mitigations}?{urlencode({**register, 'late': 1})}", late > 0
    )
    yield Figure(
        _("Reviews overdue"), str(found.late_reviews), links.url(late="review"), found.late_reviews > 0
    )
    yield Figure(_("Not assessed"), str(unassessed), links.url(unassessed=1))
    yield Figure(_("Drafts waiting"), str(found.drafts), links.url(state="draft"))
    columns = [*RiskTable.default_columns, "loss"]
    for loss in expected_losses(scope, found.counts):
        url = links.url(state="active", sort="-loss", columns=columns)
        yield Figure(_("Expected loss a year"), loss.text, url, note=loss.coverage)


@dataclass
class ExpectedLoss:
    """Of the registers with a budget in one currency: the amount, and of how many of their risks it is."""

    currency: str
    amount: float = 0.0
    estimated: int = 0
    active: int = 0

    @property
    def text(self) -> str:
        return formatting.money(self.amount, self.currency)

    @property
    def coverage(self) -> str:
        return ngettext(
            "%(estimated)d of %(count)d risk estimated",
            "%(estimated)d of %(count)d risks estimated",
            self.active,
        ) % {"estimated": self.estimated, "count": self.active}


def expected_losses(scope: Scope, counts: Mapping[int, RegisterCounts]) -> list[ExpectedLoss]:
    """One for each currency in which there is any."""
    found: dict[str, ExpectedLoss] = {}
    for register in scope.shown_registers:
        if register.budget_amount is not None:
            its, loss = (
                counts[register.pk],
                found.setdefault(register.currency, ExpectedLoss(register.currency)),
            )
            loss.amount += float(register.budget_amount) * its.expected_loss
            loss.estimated += its.estimated
            loss.active += its.active
    return [loss for loss in found.values() if loss.amount]


# --- work


@dataclass(frozen=True)
class Task:
    code: str
    title: str
    url: str
    day: date | None = None
    is_late: bool = False

    @property
    def html(self) -> SafeString:
        css = "when late" if self.is_late else "when"
        when = format_html(' <span class="{}">{}</span>', css, formatting.day(self.day)) if self.day else ""
        return _row(self.code, self.title, self.url, when)


def _row(code: str, title: SafeString | str, url: str, rest: SafeString | str = "") -> SafeString:
    """A line of a list that leads to a risk or mitigation; written here, as the page has fifty of them."""
    return format_html(
        '<a href="{}"><span class="code">{}</span> <span class="what">{}</span>{}</a>', url, code, title, rest
    )


@dataclass(frozen=True)
class TaskGroup:
    label: str
    count: int
    tasks: Sequence[Task]
    url: str

    @property
    def more(self) -> int:
        return self.count - len(self.tasks)


def _work(scope: Scope, found: Overview, links: ListLinks, today: date) -> Iterator[TaskGroup]:
    path = reverse("risks:mitigation-list", args=[scope.team.slug])
    register = {"register": scope.register.key} if scope.register else {}
    mine = found.my_mitigations
    tasks = [Task(m.code, m.title, f"{path}{m.pk}/", m.due_date, True) for m in mine.first]
    query = urlencode({**register, "owner": "me", "late": 1})
    yield TaskGroup(_("My late mitigations"), mine.count, tasks, f"{path}?{query}")

    def group(label: str, work: Work, url: str, day: str = "", is_late: bool = False) -> TaskGroup:
        tasks = [
            Task(
                risk.code,
                risk.title,
                f"{links.path}{risk.code}/",
                getattr(risk, day) if day else None,
                is_late,
            )
            for risk in work.first
        ]
        return TaskGroup(label, work.count, tasks, url)

    reviews, unassessed = links.url(mine=1, late="review"), links.url(mine=1, unassessed=1)
    yield group(_("My risks due for review"), found.my_reviews, reviews, "next_review_date", True)
    yield group(_("My risks not assessed"), found.my_unassessed, unassessed)
    yield group(_("Acceptances that end soon"), found.acceptances, links.url(ending=1), "until")
    yield group(_("Drafts to confirm"), found.waiting, links.url(state="draft"))


def _top_row(scope: Scope, risk: RiskRow, path: str) -> SafeString:
    level = scope.matrix_of(risk.register_id).level(risk.level or 1)
    title = format_html('{}<small class="muted">{}</small>', risk.title, risk.owner)
    return _row(
        risk.code, title, f"{path}{risk.code}/", format_html(" {}", formatting.level_badge(level, risk.score))
    )


# --- changes


@dataclass(frozen=True)
class Act:
    code: str
    title: str
    url: str
    before: str
    after: str
    direction: str  # up, down or empty
    reason: str
    by: str
    at: datetime

    @property
    def html(self) -> SafeString:
        arrow = {"up": "↑", "down": "↓"}.get(self.direction, "")
        if arrow:
            arrow = format_html('<span class="move-{}" aria-hidden="true">{}</span> ', self.direction, arrow)
        reason = f" · {Truncator(self.reason).chars(160)}" if self.reason else ""
        return format_html(
            '{}<p>{}{} → <b>{}</b>{} <span class="muted">{} ·'
            ' <time datetime="{}" title="{}">{}</time></span></p>',
            _row(self.code, self.title, self.url), arrow, self.before, self.after, reason, self.by,
            self.at.isoformat(timespec="minutes"), formatting.moment(self.at), formatting.day(self.at),
        )  # fmt: skip


def _act(scope: Scope, act: ScoringRow | MoveRow, path: str) -> Act:
    if isinstance(act, MoveRow):
        before = str(State(act.from_state).label) if act.from_state else _("new")
        after, direction = str(State(act.to_state).label), ""
    else:
        levels = scope.matrix_of(act.register_id).levels
        before = _position(levels, *divmod(act.rank - act.delta, 1000))
        after, direction = _position(levels, act.level, act.score), "up" if act.delta > 0 else "down"
    url = f"{path}{act.code}/"
    return Act(act.code, act.title, url, before, after, direction, act.reason, act.by, act.at)


def _position(levels: Mapping[int, MatrixLevel], level: int, score: int) -> str:
    return f"{levels[level].name if level in levels else Level(level).label} {score}"


# --- trend


@dataclass(frozen=True)
class Band:
    """One level's share of the drawing, from the bottom up, with its row of figures."""

    tone: str
    mark: str
    name: str
    points: str
    counts: Sequence[int]
    url: str

    @property
    def now(self) -> int:
        return self.counts[-1]

    @property
    def change(self) -> str:
        difference = self.counts[-1] - self.counts[0]
        return f"{difference:+d}".replace("-", "−") if difference else "±0"


@dataclass(frozen=True)
class TrendChart:
    months: Sequence[date]
    bands: Sequence[Band]
    highest: int
    totals: Sequence[int]

    @property
    def rows(self) -> list[tuple[date, list[str]]]:
        """By month: the count of each band, then their sum."""
        columns = [*(band.counts for band in self.bands), self.totals]
        return [
            (month, [str(counts[index]) for counts in columns]) for index, month in enumerate(self.months)
        ]


WIDTH, HEIGHT = 1100, 200
"""Of the drawing, which is stretched to its place."""


def draw_trend(trend: Trend, levels: Mapping[int, MatrixLevel], links: ListLinks) -> TrendChart:
    """The worst level at the bottom, where its change is seen best; what is not assessed on top."""
    top, months = max(trend.highest, 1), trend.months
    xs = [WIDTH * index / (len(months) - 1) for index in range(len(months))]
    base = [0] * len(months)
    bands = []
    for level in sorted(trend.counts, key=lambda level: (level == 0, -level)):
        counts = trend.counts[level]
        if not any(counts):
            continue
        upper = [low + count for low, count in zip(base, counts, strict=True)]
        edge = [*zip(xs, upper, strict=True), *reversed([*zip(xs, base, strict=True)])]
        points = " ".join(f"{x:.0f},{HEIGHT - HEIGHT * y / top:.1f}" for x, y in edge)
        words = levels.get(level)
        bands.append(
            Band(
                tone=words.tone if words else "grey",
                mark=words.mark if words else "",
                name=words.name if words else _("Not assessed"),
                points=points,
                counts=counts,
                url=links.url(level=level, state="active"),
            )
        )
        base = upper
    return TrendChart(months, bands, trend.highest, base)

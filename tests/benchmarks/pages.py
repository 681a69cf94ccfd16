"""What is measured, and how good it has to be. Knows no Django."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote

TEAM, KEY = "bench", "PERF"
SIGN_IN, PASSWORD = "manager@bench.example", "bench-password-1"

MAX_QUERIES = 12
MAX_TIMES = 5
"""A page of a past day may take so many times as long as the same page of today."""
PAST = f"as_of={date.today() - timedelta(days=30)}"
FULL_SIZE = 10_000
"""Up to so many risks the limits hold as they are; with more, twice the time is allowed."""


@dataclass(frozen=True)
class Page:
    """An address below the team's, and its limits: times the floor, and kB of HTML.

    `today` names the same page of today, if this one is of a past day.
    """

    name: str
    path: str
    max_ratio: float | None = None
    max_kilobytes: float | None = None
    today: str = ""

    @property
    def address(self) -> str:
        return f"/t/{TEAM}/{self.path}"


FLOOR = Page("floor", "floor/")
PAGES = (
    FLOOR,
    Page("overview", "", 4),
    Page("list", "risks/?per_page=50", 5, 120),
    Page("list: category", "risks/?per_page=50&category=technical", 5, 120),
    Page("list: customer", "risks/?per_page=50&q=customer", 5, 120),
    Page("list: 数据", f"risks/?per_page=50&q={quote('数据')}", 5, 120),
    Page("list: by level", "risks/?per_page=50&sort=-level", 5, 120),
    Page("list: by title", "risks/?per_page=50&sort=title", 5, 120),
    Page("matrix", "matrix/", 3),
    Page("risk", f"risks/{KEY}-1/", 3),
    Page("mitigations", "mitigations/", 5),
    Page("mitigation board", "mitigations/?view=board", 5),
    Page("list as of", f"risks/?per_page=50&{PAST}", max_kilobytes=120, today="list"),
    Page("category as of", f"risks/?per_page=50&category=technical&{PAST}", today="list: category"),
    Page("customer as of", f"risks/?per_page=50&q=customer&{PAST}", today="list: customer"),
    Page("by title as of", f"risks/?per_page=50&sort=title&{PAST}", today="list: by title"),
    Page("matrix as of", f"matrix/?{PAST}", today="matrix"),
    Page("risk as of", f"risks/{KEY}-1/?{PAST}", today="risk"),
)


@dataclass(frozen=True)
class Figures:
    """One page at one size. Times in milliseconds; `peak_mb` is the larger worker's resident memory."""

    database: str
    risks: int
    page: str
    status: int
    queries: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    bytes: int
    peak_mb: float
    floor_ms: float
    floor_ratio: float


def allowed_ratio(page: Page, risks: int) -> float | None:
    if page.max_ratio is None:
        return None
    return page.max_ratio if risks <= FULL_SIZE else 2 * page.max_ratio


def misses(page: Page, figures: Figures) -> list[str]:
    """What is not as good as it has to be, in words; empty if all is well."""
    found = []
    if figures.status != 200:
        found.append(f"status {figures.status}")
    if figures.queries > MAX_QUERIES:
        found.append(f"more than {MAX_QUERIES} queries")
    allowed = allowed_ratio(page, figures.risks)
    if allowed is not None and figures.floor_ratio > allowed:
        found.append(f"more than {allowed:g} × the floor")
    if page.max_kilobytes is not None and figures.bytes > page.max_kilobytes * 1000:
        found.append(f"more than {page.max_kilobytes:g} kB")
    return found


def growing(runs: Iterable[Figures]) -> list[str]:
    """Pages whose number of queries depends on the number of risks."""
    counts: dict[str, dict[int, int]] = {}
    for figures in runs:
        counts.setdefault(figures.page, {})[figures.risks] = figures.queries
    return [
        f"{page}: {', '.join(f'{queries} queries at {risks:,} risks' for risks, queries in by_size.items())}"
        for page, by_size in counts.items()
        if len(set(by_size.values())) > 1
    ]


def slow_past(runs: Iterable[Figures]) -> list[str]:
    """Pages of a past day that take too long beside those of today, of the same size in the same run."""
    by_page = {(found.database, found.risks, found.page): found for found in runs}
    pages = {page.name: page.today for page in PAGES if page.today}
    return [
        f"{page} at {risks:,} risks: {found.p50_ms / today.p50_ms:.1f} × {pages[page]}, allowed {MAX_TIMES} ×"
        for (database, risks, page), found in by_page.items()
        if page in pages
        and risks <= FULL_SIZE
        and (today := by_page[database, risks, pages[page]]).p50_ms * MAX_TIMES < found.p50_ms
    ]

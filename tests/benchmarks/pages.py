"""What is measured, and how good it has to be. Knows no Django."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

TEAM, KEY = "bench", "PERF"
SIGN_IN, PASSWORD = "manager@bench.example", "bench-password-1"

MAX_QUERIES = 12
FULL_SIZE = 10_000
"""Up to so many risks the limits hold as they are; with more, twice the time is allowed."""


@dataclass(frozen=True)
class Page:
    """An address below the team's, and its limits: times the floor, and kB of HTML."""

    name: str
    path: str
    max_ratio: float | None = None
    max_kilobytes: float | None = None

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

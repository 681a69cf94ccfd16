"""Drives a running register as one signed-in person would, one request at a time, and takes its figures."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import psutil

from tests.benchmarks.pages import FLOOR, PASSWORD, SIGN_IN, Figures, Page

QUERIES = "X-Queries"
LOGIN = "/accounts/login/"
ROUNDS = 3
WARM_UP = 5


class Visitor:
    """A browser as far as a server can tell: one connection that stays open, and cookies."""

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=300)
        self.cookies: dict[str, str] = {}

    def sign_in(self) -> None:
        """Through the form, as everybody."""
        _, page = self.request("GET", LOGIN)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.decode())
        assert token, "the sign-in page has no form"
        form = {"csrfmiddlewaretoken": token[1], "login": SIGN_IN, "password": PASSWORD}
        response, _ = self.request("POST", LOGIN, urlencode(form))
        assert response.status == 302, f"signing in answered {response.status}"

    def request(self, method: str, path: str, body: str | None = None) -> tuple[HTTPResponse, bytes]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        for name, morsel in SimpleCookie("; ".join(response.headers.get_all("Set-Cookie") or ())).items():
            self.cookies[name] = morsel.value
        return response, content


@dataclass
class Samples:
    """What the requests of one page cost; times in seconds, beside those of floors asked for in between."""

    wall: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    cpu: float = 0
    peak: int = 0
    queries: int = 0
    size: int = 0
    status: int = 0


class Meter:
    """Takes the figures of a server's pages. `processes`: its workers and the one that watches over them."""

    def __init__(self, port: int, processes: Sequence[psutil.Process], risks: int) -> None:
        self.visitor, self.processes, self.risks = Visitor(port), processes, risks
        self.visitor.sign_in()

    def measure(self, pages: Sequence[Page], requests: int, database: str) -> Iterator[Figures]:
        """Visit each page so often, in rounds, so that a busy moment of the machine hits all of them alike.

        Half of as many floors come before and half after: whatever slows one down slows the other.
        """
        samples = {page: Samples() for page in pages}
        for page in pages:
            self._visit(page, WARM_UP, Samples())
        for _ in range(ROUNDS):
            for page in pages:
                self._visit_between_floors(page, math.ceil(requests / ROUNDS), samples[page])
        for page, found in samples.items():
            yield _figures(page, found, self.risks, database)

    def _visit_between_floors(self, page: Page, times: int, samples: Samples) -> None:
        floors = Samples()
        self._visit(FLOOR, math.ceil(times / 2), floors)
        before = self._cpu()
        self._visit(page, times, samples)
        samples.cpu += self._cpu() - before
        samples.peak = max(samples.peak, *(process.memory_info().rss for process in self.processes))
        self._visit(FLOOR, math.ceil(times / 2), floors)
        samples.floor += floors.wall

    def _visit(self, page: Page, times: int, samples: Samples) -> None:
        for _ in range(times):
            began = time.perf_counter()
            response, content = self.visitor.request("GET", page.address)
            samples.wall.append(time.perf_counter() - began)
            samples.queries = max(samples.queries, int(response.headers.get(QUERIES, 0)))
            samples.size, samples.status = len(content), response.status

    def _cpu(self) -> float:
        """Seconds of processor time the server has used, its own and the system's for it."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


def _figures(page: Page, samples: Samples, risks: int, database: str) -> Figures:
    p50, floor = statistics.median(samples.wall), statistics.median(samples.floor)
    return Figures(
        database=database, risks=risks, page=page.name, status=samples.status, queries=samples.queries,
        p50_ms=round(1000 * p50, 2), p95_ms=round(1000 * percentile(samples.wall, 0.95), 2),
        cpu_ms=round(1000 * samples.cpu / len(samples.wall), 2), bytes=samples.size,
        peak_mb=round(samples.peak / 2**20, 1),
        floor_ms=round(1000 * floor, 2), floor_ratio=round(p50 / floor, 2),
    )  # fmt: skip


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so large a share of them does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]

"""bin/bench: how fast the pages are, at 1,000, 10,000 and 100,000 risks; what history and a report cost."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bin"))  # scripts that import each other

from bootstrap import positive, server_command, wait_until_healthy
from machine import PYTHON, ROOT, UserError, attempt, clean_environment, end, listen_to_signals
from postgres import free_port, postgres_server

from tests.benchmarks import history
from tests.benchmarks.measure import Meter
from tests.benchmarks.pages import PAGES, Figures, allowed_ratio, growing, misses, slow_past
from tests.benchmarks.report import MAX_RATIO, compare

SIZES = (1_000, 10_000, 100_000)
HOST = "127.0.0.1"
WORKERS = 2
HEADINGS = ("page", "queries", "p50 ms", "p95 ms", "CPU ms", "kB", "MB", "× floor", "allowed")
WIDTHS = (18, 7, 8, 8, 8, 7, 6, 8, 8)


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for; return the exit code."""
    options = parse(arguments)
    listen_to_signals()
    figures: list[Figures] = []
    missed = False
    try:
        for risks in [options.risks] if options.risks else SIZES:
            for found in bench(risks, options):
                figures.append(found)
                missed |= show(found)
            warn_if_busy()
        if not options.risks:
            missed |= show_history(options)
            missed |= show_report()
    except (UserError, OSError) as error:
        print(f"bin/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for line in growing(figures) + slow_past(figures):
        print(f"MISS: {line}")
        missed = True
    if options.json:
        rows = [asdict(found) for found in figures]
        options.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    return int(missed and options.strict)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--risks", type=positive, metavar="N", help="one size only, so many risks; nothing else")
    add("--postgres", action="store_true", help="on a PostgreSQL of its own instead of SQLite")
    add("--requests", type=positive, metavar="N", help="a page (default: 60, beyond 10,000 risks 30)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    add("--strict", action="store_true", help="exit with 1 if a limit is missed")
    return parser.parse_args(arguments)


def bench(risks: int, options: argparse.Namespace) -> Iterator[Figures]:
    """Fill a database, serve it, and measure each page."""
    requests = options.requests or (60 if risks <= 10_000 else 30)
    with tempfile.TemporaryDirectory(prefix="riskreg-bench-") as folder, contextlib.ExitStack() as stack:
        settings = {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "RISKREG_DATA_DIR": folder,
            "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),
            "RISKREG_INSECURE": "1",  # plain http; all else as in production
        }
        if options.postgres:
            settings["DATABASE_URL"] = stack.enter_context(postgres_server())
        began = time.monotonic()
        prepare = [PYTHON, "-m", "tests.benchmarks.prepare", str(risks)]
        worked, output = attempt(prepare, settings, timeout=3600)
        if not worked:
            raise UserError(output)
        database = output.splitlines()[-1]
        seconds = time.monotonic() - began
        print(f"\n{risks:,} risks on {database}, made in {seconds:.0f} s; {requests} requests a page")
        print(row(HEADINGS), flush=True)
        port, server = stack.enter_context(serve(settings))
        processes = [server, *server.children(recursive=True)]
        yield from Meter(port, processes, risks).measure(PAGES, requests, database)


@contextlib.contextmanager
def serve(settings: Mapping[str, str]) -> Iterator[tuple[int, psutil.Process]]:
    """Run the register as bin/run does; yield its port and process."""
    port = free_port()
    command = server_command(argparse.Namespace(host=HOST, workers=WORKERS), port)
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(settings), process_group=0)
    try:
        wait_until_healthy(process, HOST, port)
        yield port, psutil.Process(process.pid)
    finally:
        end(process)


def show(figures: Figures) -> bool:
    """Print the figures of a page; return whether it misses a limit."""
    page = next(page for page in PAGES if page.name == figures.page)
    missed = misses(page, figures)
    allowed = allowed_ratio(page, figures.risks)
    cells = [
        figures.page, figures.queries,
        f"{figures.p50_ms:.1f}", f"{figures.p95_ms:.1f}", f"{figures.cpu_ms:.1f}",
        f"{figures.bytes / 1000:.1f}", f"{figures.peak_mb:.0f}", f"{figures.floor_ratio:.2f}",
        f"{allowed:g}" if allowed else "",
    ]  # fmt: skip
    print(row(cells), f" MISS: {'; '.join(missed)}" if missed else " ok", flush=True)
    return bool(missed)


def warn_if_busy() -> None:
    """Say when others used the machine: a long request is interrupted more often than the short floor."""
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors:
        print(f"The machine was busy (load {load:.1f}): ratios come out too high; trust the CPU column.")


def show_history(options: argparse.Namespace) -> bool:
    """Print what versions and lines add to a change; return whether that is too much."""
    try:
        with postgres_server() if options.postgres else contextlib.nullcontext("") as url:
            costs = history.compare(url)
    except subprocess.CalledProcessError as error:
        raise UserError(error.stderr) from error
    print(f"\n{'change of':18}{'with ms':>10}{'without':>10}{'ratio':>8}{'allowed':>9}")
    for cost in costs:
        allowed = history.ALLOWED[cost.act]
        verdict = "MISS" if cost.ratio > allowed else "ok"
        figures = f"{cost.with_ms:10.2f}{cost.without_ms:10.2f}{cost.ratio:8.2f}{allowed:9g}"
        print(f"{cost.act:18}{figures}  {verdict}", flush=True)
    return any(cost.ratio > history.ALLOWED[cost.act] for cost in costs)


def show_report() -> bool:
    """Print what the monthly report costs beside an unoptimised one; return whether that is too much."""
    try:
        both = compare()
    except subprocess.CalledProcessError as error:
        raise UserError(error.stderr) from error
    print(f"\n{'monthly report':18}{'risks':>7}{'pages':>8}{'CPU s':>8}{'wall s':>8}{'MB':>7}")
    for name, found in both.items():
        print(
            f"{name:18}{found.risks:7}{found.pages:8}{found.cpu_s:8.2f}{found.wall_s:8.2f}{found.peak_mb:7.0f}"
        )
    ratio = both["ours"].cpu_s / both["naive"].cpu_s
    missed = ratio > MAX_RATIO
    print(f"{ratio:.0%} of the CPU, allowed {MAX_RATIO:.0%}  {'MISS' if missed else 'ok'}", flush=True)
    return missed


def row(values: Sequence[object]) -> str:
    first, *others = (str(value) for value in values)
    # A Chinese character is two columns wide.
    pad = WIDTHS[0] - sum(2 if ord(letter) > 0x2E80 else 1 for letter in first)
    cells = [text.rjust(width) for text, width in zip(others, WIDTHS[1:], strict=True)]
    return first + " " * pad + "".join(cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

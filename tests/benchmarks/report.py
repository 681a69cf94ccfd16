"""What the monthly report costs, beside the same content in a template nobody has thought about.

`compare()` fills a database once and makes each of the two in a fresh process of its own. What is measured is
everything from the report's values to the PDF, the first time in the process: template, fonts, layout, file.
Loading WeasyPrint, which is the same for both, comes before.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAIVE = Path(__file__).parent / "report_naive"
RISKS = 230  # of which about 200 count or were closed in the month, and are printed
MAX_RATIO = 0.6
"""Ours may take this share of the other's CPU."""


@dataclass(frozen=True)
class ReportFigures:
    template: str
    risks: int  # rows of the full register
    pages: int
    cpu_s: float
    wall_s: float
    peak_mb: float


def compare(risks: int = RISKS) -> dict[str, ReportFigures]:
    """Figures of `ours` and `naive` for a register of so many risks."""
    with tempfile.TemporaryDirectory(prefix="riskreg-report-") as folder:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "RISKREG_DATA_DIR": folder,
            "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),
        }
        environment.pop("DATABASE_URL", None)
        _python(environment, "tests.benchmarks.prepare", str(risks))
        found = (
            json.loads(_python(environment, "tests.benchmarks.report", name)) for name in ("ours", "naive")
        )
        return {figures["template"]: ReportFigures(**figures) for figures in found}


def _python(environment: Mapping[str, str], *module: str) -> str:
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def measure(name: str) -> ReportFigures:
    """Make one of the two reports in this process. Needs Django set up and the database filled."""
    import weasyprint  # noqa: F401  # loaded before the clock starts
    from django.template import engines
    from django.utils import timezone
    from pypdf import PdfReader

    from risks.models import Register, User
    from risks.queries.movement import month_of
    from risks.reports.monthly import build_report, render_report
    from risks.reports.pdf import write_pdf
    from tests.benchmarks.pages import KEY, SIGN_IN

    register = Register.objects.select_related("team", "matrix").get(key=KEY)
    person, month = User.objects.get(email=SIGN_IN), month_of(timezone.localdate())
    report = build_report(register, month, "en", prepared_by=person, now=timezone.now())
    templates = engines["django"]
    naive = templates.from_string((NAIVE / "monthly.html").read_text())
    part = templates.from_string((NAIVE / "_mitigations.html").read_text())

    cpu, wall = time.process_time(), time.perf_counter()
    if name == "ours":
        pdf = write_pdf(render_report(report))
    else:
        markup = naive.render({"report": report, "mitigations": part.template})
        pdf = write_pdf(markup, NAIVE / "monthly.css")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return ReportFigures(
        template=name,
        risks=len(report.rows),
        pages=len(PdfReader(BytesIO(pdf)).pages),
        cpu_s=round(cpu, 2),
        wall_s=round(wall, 2),
        peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import django

        django.setup()
        print(json.dumps(asdict(measure(sys.argv[1]))))
    else:
        found = compare()
        for figures in found.values():
            print(json.dumps(asdict(figures)))
        ratio = found["ours"].cpu_s / found["naive"].cpu_s
        print(f"{ratio:.0%} of the CPU, allowed {MAX_RATIO:.0%}")

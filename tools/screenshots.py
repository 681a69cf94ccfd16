"""Take the README's pictures from a running demonstration: `python tools/screenshots.py http://127.0.0.1:8000`.

Needs the development packages, Chromium (RISKREG_CHROMIUM) and, for the report, pdftoppm of poppler-utils.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

TARGET = Path(__file__).resolve().parents[1] / "docs" / "img"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PAGES = (
    ("overview-en-light", "/t/demo/", "en", "light", 1000),
    ("risks-en-light", "/t/demo/risks/", "en", "light", 900),
    ("risk-zh-dark", "/t/demo/risks/VOICE-1/", "zh-hans", "dark", 1100),
    ("matrix-zh-light", "/t/demo/matrix/?register=VOICE", "zh-hans", "light", 760),
)


def main(site: str) -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("RISKREG_CHROMIUM", "/usr/bin/chromium"), args=FLAGS
        )
        for name, address, language, theme, height in PAGES:
            take(browser, site, TARGET / f"{name}.png", address, language, theme, height)
        take_report(browser, site, TARGET / "report-en.png")
        browser.close()


def take(
    browser: Browser, site: str, file: Path, address: str, language: str, theme: str, height: int
) -> None:
    page = browser.new_page(base_url=site, viewport={"width": 1280, "height": height})
    page.goto("/accounts/login/")
    page.click("button[name=role][value=manager]")
    page.goto("/me/")
    page.select_option("select[name=language]", language)
    page.select_option("select[name=theme]", theme)
    page.click("main button[type=submit]")
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)
    page.close()
    shrink(file)


def take_report(browser: Browser, site: str, file: Path) -> None:
    """The summary page of the newest month's report."""
    page = browser.new_page(base_url=site)
    page.goto("/accounts/login/")
    page.click("button[name=role][value=manager]")
    page.goto("/t/demo/reports/?register=VOICE")
    with page.expect_download() as download, tempfile.TemporaryDirectory() as folder:
        page.select_option("select[name=register]", "VOICE")
        page.select_option("select[name=language]", "en")
        page.click("main form button[type=submit]")
        pdf = Path(folder) / "report.pdf"
        download.value.save_as(pdf)
        prefix = pdf.with_suffix("")
        subprocess.run(
            ["pdftoppm", "-r", "90", "-f", "3", "-l", "3", "-singlefile", "-png", pdf, prefix], check=True
        )
        Image.open(prefix.with_suffix(".png")).save(file)
    page.close()
    shrink(file)


def shrink(file: Path) -> None:
    Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])

"""A real browser against the real server with the demonstration, as `bin/run` starts it; once per process."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("RISKREG_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

expect.set_options(timeout=10_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.enable_socket)
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    # Playwright's loop runs in this thread until the session ends, and Django would take every test after
    # these for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    return {"executable_path": CHROMIUM, "args": FLAGS}


@pytest.fixture(scope="session")
def manage(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """`manage("load_demo")`: run a command of the site, which has a database of its own; what it printed."""
    data = tmp_path_factory.mktemp("site")
    ours = ("RISKREG_", "DATABASE_", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "RISKREG_DEMO": "1",
        "RISKREG_DATA_DIR": str(data),
        "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),  # one for all processes of this server
    }

    def run(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments, "-v0"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    run.environment = environment  # type: ignore[attr-defined]
    return run


@pytest.fixture(scope="session")
def site(manage: Any) -> Iterator[str]:
    """Address of a running server with the demonstration."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for command in ("migrate", "load_library", "load_demo"):
        manage(command)
    server = subprocess.Popen(
        [sys.executable, "-m", "granian", "--interface", "wsgi", "riskreg.wsgi:application",
         "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--log-level", "error"],
        cwd=ROOT, env=manage.environment,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address + "/health/")
        yield address
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(address: str) -> None:
    for _attempt in range(150):
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"no answer from {address}")


@pytest.fixture
def open_as(site: str, browser: Browser) -> Iterator[Callable[..., Page]]:
    """`open_as("manager", language="zh-hans", theme="dark", width=390)`: a signed-in page."""
    contexts: list[BrowserContext] = []

    def open_page(
        role: str | None,
        *,
        language: str = "en",
        theme: str = "light",
        width: int = 1280,
        java_script: bool = True,
        bypass_csp: bool = False,
    ) -> Page:
        context = browser.new_context(
            base_url=site,
            viewport={"width": width, "height": 900},
            java_script_enabled=java_script,
            bypass_csp=bypass_csp,
            locale="zh-CN" if language.startswith("zh") else "en-GB",
            color_scheme="dark" if theme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        if role:
            page.goto("/accounts/login/")
            page.click(f"button[name=role][value={role}]")
            page.goto("/me/")
            page.select_option("select[name=language]", language)
            page.select_option("select[name=theme]", theme)
            page.click("main button[type=submit]")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe_source() -> str:
    return (ROOT / "tests" / "vendor" / "axe.min.js").read_text("utf-8")

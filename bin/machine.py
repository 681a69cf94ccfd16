"""Gets a machine ready that has nothing but Python 3.11 or later: libraries, virtual environment, browser.

Standard library only. What is there already is left alone. Writes to `.venv`, `.uv` and `var`; as root on
Debian and its relatives it also installs missing system packages with apt-get.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "riskreg.json"
VAR = ROOT / "var"
RUN_LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
UV_LOCK = ROOT / "requirements-uv.lock"

# Debian's package: the names its library has elsewhere.
PANGO = {
    "libpango-1.0-0": ("libpango-1.0.so.0", "libpango-1.0.dylib"),
    "libpangoft2-1.0-0": ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib"),
    "libharfbuzz-subset0": ("libharfbuzz-subset.so.0", "libharfbuzz-subset.0.dylib"),
}
CHROMIUM = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

STARTED = time.monotonic()


class UserError(Exception):
    """Something the person at the keyboard has to settle; its text says what."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: like Ctrl-C, except that child processes have not heard of it."""


# --- talking and waiting


def say(text: str) -> None:
    """Print one line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


def clean_environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for child processes: the caller's with these settings, and without what would
    make them use another project, another interpreter or another database."""
    foreign = ("RISKREG_", "DATABASE_URL", "DJANGO_", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # pip trusts the machine's certificates, and so must uv; the name of the variable depends on its version.
    own = {"UV_PYTHON_DOWNLOADS": "never", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0"}
    own |= {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    return kept | own | {"DJANGO_SETTINGS_MODULE": "riskreg.settings"} | dict(settings or {})


def attempt(
    command: Sequence[str | Path], settings: Mapping[str, str] | None = None, timeout: float = 900
) -> tuple[bool, str]:
    """Run a command silently; return whether it succeeded, and what it printed."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, done.stdout.strip()


def attend(process: subprocess.Popen[bytes], patience: float = 5) -> int:
    """Wait for a child and return its exit code. When we are told to stop, it is stopped first.

    Ctrl-C in a terminal reaches the child as well: it gets `patience` seconds to end by itself.
    """
    try:
        return process.wait()
    except KeyboardInterrupt as stop:
        end(process, patience=0 if isinstance(stop, Terminated) else patience)
        raise


def end(process: subprocess.Popen[bytes], patience: float = 0) -> None:
    """Stop a child: wait, ask, insist."""
    for ask, seconds in ((None, patience), (process.terminate, 20), (process.kill, None)):
        if ask:
            ask()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def listen_to_signals() -> None:
    """Make SIGTERM and SIGHUP raise `Terminated`, so that everything is cleaned up."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the lock of this folder: one process installs or migrates, the others wait."""
    VAR.mkdir(mode=0o700, exist_ok=True)
    with (VAR / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another bin/run, bin/test or bin/check that is preparing this folder")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(paths: Iterable[Path]) -> str:
    """Return a hash of the names and contents of files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(ROOT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


# --- system packages


def apt_install(packages: Sequence[str]) -> bool:
    """Install Debian packages; False without root or apt-get, or if it fails."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    say(f"Installing with apt-get: {' '.join(packages)}")
    # A broken mirror must not hold us up for long: all of these packages are optional.
    limits = ["-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20", "-o", "DPkg::Lock::Timeout=60"]
    install = ["apt-get", "install", "-y", "--no-install-recommends", *limits, *packages]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    if attempt(install, quiet)[0]:
        return True
    attempt(["apt-get", "update", *limits], quiet)
    worked, output = attempt(install, quiet)
    if not worked:
        say(f"apt-get failed: {last_line(output)}")
    return worked


def last_line(output: str) -> str:
    return output.splitlines()[-1].strip() if output else "no output"


def can_load(names: Iterable[str]) -> bool:
    """Tell whether one of these shared libraries loads."""
    for name in names:
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def missing_pango() -> list[str]:
    """Return the Debian packages of those libraries for PDF reports that this machine lacks."""
    return [package for package, names in PANGO.items() if not can_load(names)]


def pango_advice(packages: Iterable[str]) -> str:
    """Return what to type so that PDF reports work."""
    if sys.platform == "darwin":
        return "brew install pango"
    return f"sudo apt-get install -y {' '.join(packages)}"


def ensure_pango() -> None:
    """Install Pango and HarfBuzz if we may; else say so and go on: only PDF reports need them."""
    missing = missing_pango()
    if missing and not (apt_install(missing) and not missing_pango()):
        say("Pango is missing: PDF reports will not work, everything else will. To install it:")
        say(f"  {pango_advice(missing)}")


def find_chromium() -> str | None:
    """Return the path of a Chromium that starts (Ubuntu's package is a stub that does not), or None."""
    names = [os.environ["RISKREG_CHROMIUM"]] if "RISKREG_CHROMIUM" in os.environ else CHROMIUM
    found = (shutil.which(name) for name in names)
    return next((path for path in found if path and attempt([path, "--version"], timeout=30)[0]), None)


# --- the virtual environment


def read_stamp() -> dict[str, object]:
    """Return what we noted about `.venv`; nothing if it was made by hand or does not exist."""
    with contextlib.suppress(OSError, ValueError):
        stamp: dict[str, object] = json.loads(STAMP.read_text())
        return stamp
    return {}


def venv_version() -> str | None:
    """Return the version of Python in `.venv` as "3.11"; None if it does not run."""
    worked, output = attempt([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], timeout=30)
    return output if worked else None


def venv_state(lock: Path, version: str | None, stamp: dict[str, object]) -> str:
    """Return "ready" if `.venv` holds what the lock asks for, "usable" if that can be installed into it,
    "broken" if it has to be made anew: absent, cut short, too old, or its Python is not the one it was."""
    if version is None or tuple(map(int, version.split("."))) < (3, 11):
        return "broken"
    if stamp and (stamp.get("python") != version or "installing" in stamp):
        return "broken"
    locks = stamp.get("locks")
    return "ready" if isinstance(locks, dict) and locks.get(lock.name) == digest([lock]) else "usable"


def ensure_venv(lock: Path) -> None:
    """Make `.venv` hold the packages of the lock, every one checked against its hash."""
    if venv_state(lock, venv_version(), read_stamp()) == "ready":
        return
    with one_at_a_time():
        state = venv_state(lock, venv_version(), read_stamp())
        if state == "ready":
            return
        if state == "broken":
            make_venv()
        install(lock)


def make_venv() -> None:
    """Make an empty `.venv`, from the interpreter behind any environment that is active now."""
    say(f"Making a virtual environment for Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    # Without pip: Debian's Python can do that even if the package python3-venv is absent.
    base = getattr(sys, "_base_executable", sys.executable)
    worked, output = attempt([base, "-m", "venv", "--without-pip", VENV])
    if not worked:
        raise UserError(f"The virtual environment could not be made:\n{output}")


def install(lock: Path) -> None:
    """Install a lock into `.venv`, and note it. The development lock contains the other one."""
    version = venv_version()
    STAMP.write_text(json.dumps({"python": version, "installing": lock.name}))
    packages = sum("==" in line for line in lock.read_text().splitlines())
    output = ""
    for number, installer in enumerate(installers()):
        if number:
            say(f"That failed ({last_line(output)}), trying again")
        tool = "uv" if Path(installer[0]).name == "uv" else "pip"
        say(f"Installing the {packages} packages of {lock.name} with {tool}")
        worked, output = attempt([*installer, "--require-hashes", "-r", lock])
        if worked:
            locks = {path.name: digest([path]) for path in (lock, RUN_LOCK)}
            STAMP.write_text(json.dumps({"python": version, "locks": locks}))
            return
    raise UserError(output + "\n\nThe packages could not be installed. Is the package index within reach?")


def installers() -> Iterator[list[str]]:
    """Yield commands that install into `.venv`: uv twice, in case the network hiccups, then pip."""
    if uv := find_uv():
        yield from [[uv, "pip", "install", "--quiet", "--python", str(PYTHON)]] * 2
    if pip := find_pip():
        yield [*pip, "install", "--retries", "10", "--timeout", "60"]
    elif not uv:
        raise UserError(
            "Neither uv nor pip is here to install packages with. Type this first:\n"
            "  sudo apt-get install -y python3-venv"
        )


def find_uv() -> str | None:
    """Return a uv that works, from the PATH or our own in `.uv`, fetched with pip if need be; else None."""
    own = ROOT / ".uv" / "bin" / "uv"
    for path in (shutil.which("uv"), str(own)):
        if path and attempt([path, "--version"], timeout=30)[0]:
            return path
    if pip := find_pip():
        say("Fetching uv with pip")
        shutil.rmtree(ROOT / ".uv", ignore_errors=True)
        target = ["--target", str(ROOT / ".uv"), "--require-hashes", "-r", str(UV_LOCK)]
        if attempt([*pip, "install", "--retries", "10", *target])[0]:
            return str(own)
    return None


def find_pip() -> list[str] | None:
    """Return the command of a pip that installs into `.venv`, making one there if need be; else None."""
    bundled = [str(PYTHON), "-m", "pip"]
    for pip in (bundled, [sys.executable, "-m", "pip", "--python", str(PYTHON)]):
        if attempt([*pip, "--version"])[0]:
            return pip
    for _ in range(2):
        if attempt([PYTHON, "-m", "ensurepip"])[0]:
            return bundled
        if not apt_install(["python3-venv"]):
            return None
    return None

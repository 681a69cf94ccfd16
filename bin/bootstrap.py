"""What bin/run, bin/test, bin/check and bin/bench do, on a machine that has nothing but Python 3.11 or later.

Standard library only. Each gets the machine ready (see machine.py), which takes no time when it is ready
already, and then starts the register, the test suite or the gates.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from machine import (
    DEV_LOCK,
    PYTHON,
    ROOT,
    RUN_LOCK,
    VAR,
    UserError,
    apt_install,
    attempt,
    attend,
    clean_environment,
    end,
    ensure_pango,
    ensure_venv,
    find_chromium,
    listen_to_signals,
    one_at_a_time,
    say,
)

DEFAULT_PORT = 8000
DEMO_ROLES = ("reader", "contributor", "manager", "administrator")
DEMO_PASSWORD = "riskreg-demo"  # noqa: S105 - public on purpose; refused outside the demonstration
NO_TESTS = 5  # pytest's exit code when nothing was collected

# --- bin/run


def run(options: argparse.Namespace) -> int:
    """Serve the register until it is told to stop."""
    if options.port:
        choose_port(options.host, options.port)  # fails before the long work
    ensure_pango()
    ensure_venv(RUN_LOCK)
    home = VAR / ("empty" if options.empty else "demo")
    with one_at_a_time():
        settings = run_settings(options, home)
        prepare_database(options, settings)
    # Chosen late: granian would share a port that another bin/run took meanwhile.
    port = choose_port(options.host, options.port)
    settings["RISKREG_BASE_URL"] = address(options.host, port)  # where links in mails lead
    say(f"Starting {options.workers} server processes{' and the worker' if options.worker else ''}")
    running = {"server": start(server_command(options, port), settings)}
    try:
        wait_until_healthy(running["server"], options.host, port)
        if options.worker:
            running["worker"] = start([str(PYTHON), "manage.py", "worker"], settings)
        announce(options, home, port)
        name, code = wait_for_any(running)
    except KeyboardInterrupt:
        say("Stopped")
        return 0
    finally:
        for process in running.values():  # the server first: then nobody asks for more
            stop(process)
    raise UserError(f"The {name} ended by itself, with exit code {code}; what it printed is above.")


def start(command: list[str], settings: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process of the register in a group of its own."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(settings),
        stdin=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C comes to us, and we stop it in order
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    end(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # left behind by a process that was killed


def wait_for_any(running: Mapping[str, subprocess.Popen[bytes]]) -> tuple[str, int]:
    """Wait until one of the processes ends; return its name and exit code."""
    while True:
        for name, process in running.items():
            if (code := process.poll()) is not None:
                return name, code
        time.sleep(0.2)


def server_command(options: argparse.Namespace, port: int) -> list[str]:
    """Return the command that serves the register."""
    command = [PYTHON, "-m", "granian", "--interface", "wsgi", "--no-ws", "--log-level", "warning"]
    command += ["--blocking-threads", 4]  # as many as a worker's connections to PostgreSQL
    command += ["--host", options.host, "--port", port, "--workers", options.workers]
    return [*map(str, command), "riskreg.wsgi:application"]


def run_settings(options: argparse.Namespace, home: Path) -> dict[str, str]:
    """Return the register's settings for a trial on this machine, making its secrets on the first call."""
    home.mkdir(mode=0o700, exist_ok=True)
    settings = {
        "RISKREG_DATA_DIR": str(home),
        "RISKREG_SECRET_KEY": kept_secret(VAR / "secret_key", secrets.token_urlsafe(50)),
        "RISKREG_ALLOWED_HOSTS": os.environ.get("RISKREG_ALLOWED_HOSTS", ",".join(own_names(options.host))),
        "RISKREG_INSECURE": "1",
    }
    if options.empty:
        return settings | {"RISKREG_SETUP_CODE": kept_secret(home / "setup_code", secrets.token_urlsafe(12))}
    return settings | {"RISKREG_DEMO": "1"}


def kept_secret(path: Path, new: str) -> str:
    """Return the secret in a file that only its owner reads; the new one if there is none as long as it."""
    if not path.exists() or len(path.read_text().strip()) < len(new):
        path.touch(mode=0o600)
        path.write_text(new)
    return path.read_text().strip()


def own_names(host: str) -> list[str]:
    """Return the names under which a browser may reach a server bound to this host."""
    names = ["localhost", "127.0.0.1", "[::1]"]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - a comparison
        names.append(socket.gethostname())
        with contextlib.suppress(OSError):
            names += socket.gethostbyname_ex(socket.gethostname())[2]
    else:
        names.append(f"[{host}]" if ":" in host else host)
    return list(dict.fromkeys(names))


def choose_port(host: str, wanted: int | None) -> int:
    """Return a free port: the wanted one or a `UserError`; without a wish the first free one from 8000."""
    if wanted:
        if not is_free(host, wanted):
            raise UserError(f"Port {wanted} is taken. Choose another one with --port.")
        return wanted
    for port in range(DEFAULT_PORT, DEFAULT_PORT + 100):
        if is_free(host, port):
            if port != DEFAULT_PORT:
                say(f"Port {DEFAULT_PORT} is taken: using {port}")
            return port
    raise UserError(f"No port from {DEFAULT_PORT} on is free. Choose one with --port.")


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there; a `UserError` if this machine does not have that address."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise UserError(f"A server cannot listen on {host}, port {port}: {error.strerror}") from error
    return True


# One process for all commands: each start of Django takes as long as most of them.
PREPARE = """
import sys
import django
from django.core.management import call_command
django.setup()
for name in sys.argv[1:]:
    call_command(name, verbosity=0)
"""


def prepare_database(options: argparse.Namespace, settings: dict[str, str]) -> None:
    """Bring the database up to date; each command adds only what is not there yet."""
    commands = ["migrate", "load_library", *([] if options.empty else ["load_demo"]), "housekeeping"]
    say(f"Preparing the database: {', '.join(commands)}")
    worked, output = attempt([PYTHON, "-c", PREPARE, *commands], settings)
    if not worked:
        where = settings["RISKREG_DATA_DIR"]
        raise UserError(f"{output}\n\nThe database in {where} could not be prepared; the cause is above.")


def wait_until_healthy(process: subprocess.Popen[bytes], host: str, port: int, seconds: float = 60) -> None:
    """Return as soon as the server answers; a `UserError` if it ends or stays silent."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UserError(f"The server did not start (exit code {process.returncode}); the cause is above.")
        status = status_of(host, port, "/health/")
        if status == 200:
            return
        if status:
            raise UserError(f"The server answers {address(host, port)}/health/ with status {status}.")
        time.sleep(0.1)
    raise UserError(f"The server did not answer at {address(host, port)}/health/ within {seconds:.0f} s.")


def status_of(host: str, port: int, path: str) -> int | None:
    """Return the status with which our server answers a page; None if it does not answer."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def reachable(host: str) -> str:
    """Return an address that leads to a server bound to this host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a comparison


def address(host: str, port: int) -> str:
    """Return the start of our pages' addresses."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def announce(options: argparse.Namespace, home: Path, port: int) -> None:
    """Say where the register is and how to get in."""
    base = address(options.host, port)
    say("Ready")
    if not options.empty:
        print(f"\n  {base}/\n\n  Sign in as one of these, password {DEMO_PASSWORD}:")
        print("".join(f"    {role}@demo.example\n" for role in DEMO_ROLES))
    elif status_of(options.host, port, "/setup/") == 200:
        code = (home / "setup_code").read_text()
        print(f"\n  {base}/setup/\n\n  The first account is yours with this code: {code}\n")
    else:
        print(f"\n  {base}/\n")
    print(f"  Stop: Ctrl-C    Data: {home.relative_to(ROOT)} (delete it to begin afresh)\n", flush=True)


# --- bin/test


def test(options: argparse.Namespace) -> int:
    """Run the suite on SQLite with the browser tests, then on a real PostgreSQL without them."""
    ensure_pango()
    ensure_venv(DEV_LOCK)
    if not shutil.which("msgfmt"):
        apt_install(["gettext"])
    results = {}
    for name in options.only or ("SQLite", "PostgreSQL"):
        chromium = ensure_chromium() if name == "SQLite" else None
        say(f"Testing on {name}")
        began = time.monotonic()
        settings = {"RISKREG_CHROMIUM": chromium} if chromium else {}
        command = suite_command(name, options, browser=bool(chromium))
        code = attend(subprocess.Popen(command, cwd=ROOT, env=clean_environment(settings)))
        results[name] = (code, time.monotonic() - began)
    print(f"bin/test: {'; '.join(verdict(name, *result) for name, result in results.items())}", flush=True)
    return tests_exit_code(
        [code for code, _ in results.values()], narrowed=bool(options.marks or options.arguments)
    )


def ensure_chromium() -> str | None:
    """Return the path of Chromium, installed if we may; None, and say so, without it."""
    chromium = find_chromium() or (find_chromium() if apt_install(["chromium"]) else None)
    if not chromium:
        say("No Chromium: the browser tests are left out. To run them: sudo apt-get install -y chromium")
    return chromium


def suite_command(database: str, options: argparse.Namespace, *, browser: bool) -> list[str]:
    """Return the command that tests on one database; the person's own arguments come last and win."""
    server = [str(ROOT / "bin" / "postgres.py")] if database == "PostgreSQL" else []
    marks = " and ".join(([f"({options.marks})"] if options.marks else []) + ([] if browser else ["not e2e"]))
    choice = ["-m", marks] if marks else []
    return [str(PYTHON), *server, "-m", "pytest", "-n", "2", *choice, *options.arguments]


def verdict(name: str, code: int, seconds: float) -> str:
    """Return one run's result in a few words."""
    words = {0: "passed", NO_TESTS: "had no tests"}
    return f"{name} {words.get(code, 'FAILED')} in {seconds:.0f} s"


def tests_exit_code(codes: Sequence[int], *, narrowed: bool) -> int:
    """Return 0 if all is well. Arguments may narrow the choice to tests that only one database runs."""
    if narrowed and 0 in codes:
        codes = [code for code in codes if code != NO_TESTS]
    return int(any(codes))


# --- bin/check


def check(options: argparse.Namespace) -> int:
    """Run every gate, one line each; the output of those that fail is shown."""
    ensure_venv(DEV_LOCK)
    failed = []
    with tempfile.TemporaryDirectory() as data:
        production = {
            "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),
            "RISKREG_ALLOWED_HOSTS": "riskreg.example",
            "RISKREG_EMAIL_URL": f"smtp+tls://riskreg:{secrets.token_urlsafe(16)}@mail.riskreg.example:587",
            "RISKREG_MAIL_FROM": "RiskReg <riskreg@riskreg.example>",
            "RISKREG_DATA_DIR": data,
        }
        for name, command in gates().items():
            began = time.monotonic()
            worked, output = attempt([PYTHON, *command], production)
            print(f"{'ok    ' if worked else 'FAILED'} {time.monotonic() - began:5.1f} s  {name}", flush=True)
            if not worked:
                failed.append(name)
                print(f"{output}\n", flush=True)
    print(f"bin/check: {'failed: ' + ', '.join(failed) if failed else 'all gates passed'}", flush=True)
    return int(bool(failed))


def gates() -> dict[str, list[str]]:
    """Return what each gate runs with the Python of `.venv`."""
    return {
        "style": ["-m", "ruff", "check"],
        "format": ["-m", "ruff", "format", "--check"],
        "types": ["-m", "mypy"],
        "imports": ["-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
        "migrations": ["manage.py", "makemigrations", "--check", "--dry-run"],
        "deployment": ["manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        "translations": ["-m", "pytest", "-q", "tests/test_translations.py"],
        "security": ["-m", "bandit", "-q", "-r", "riskreg", "risks", "-ll"],
        "templates": ["-m", "djlint", "--lint", "templates"],
        "vendored files": ["tools/vendor.py", "--check"],
    }


# --- bin/bench


def bench(options: argparse.Namespace) -> int:
    """Measure how fast the pages are; the arguments are those of tests/benchmarks."""
    ensure_pango()
    ensure_venv(DEV_LOCK)
    command = [PYTHON, "-m", "tests.benchmarks", *options.arguments]
    return attend(subprocess.Popen(command, cwd=ROOT, env=clean_environment()))


# --- the command line


def parse(command: str, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of one command; those of bin/test that are not ours are pytest's."""
    parser = argparse.ArgumentParser(prog=f"bin/{command}", allow_abbrev=False)
    if command == "run":
        parser.description = "Start the register with its demonstration, or empty."
        add = parser.add_argument
        add("--port", type=port_number, help=f"default: the first free one from {DEFAULT_PORT}")
        add("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
        add("--empty", action="store_true", help="without the demonstration, with data of its own")
        add("--workers", type=positive, default=2, help="processes that answer (default: 2)")
        add("--no-worker", dest="worker", action="store_false", help="no mail, no reminders: only the pages")
    if command == "test":
        parser.description = "Run all tests on SQLite and on PostgreSQL. Other arguments go to pytest."
        for flag, name in (("--sqlite", "SQLite"), ("--postgres", "PostgreSQL")):
            parser.add_argument(flag, dest="only", action="append_const", const=name, help=f"only {name}")
        parser.add_argument("-m", dest="marks", help="only tests with these marks, as pytest has it")
        options, rest = parser.parse_known_args(arguments)
        options.arguments = rest
        return options
    if command == "bench":
        return argparse.Namespace(arguments=list(arguments))
    if command == "check":
        parser.description = "Run every gate that a change has to pass besides the tests."
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def port_number(text: str) -> int:
    if not 1 <= (number := int(text)) <= 65535:
        raise argparse.ArgumentTypeError("must be between 1 and 65535")
    return number


def main(command: str, arguments: Sequence[str]) -> int:
    """Do one command; return its exit code."""
    options = parse(command, arguments)
    listen_to_signals()
    try:
        return {"run": run, "test": test, "check": check, "bench": bench}[command](options)
    except (UserError, OSError) as error:
        print(f"\nbin/{command}: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

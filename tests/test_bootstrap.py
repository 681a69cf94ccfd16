"""The commands of bin/, where they decide something: no network, nothing installed."""

import argparse
import contextlib
import json
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parent.parent / "bin"


@pytest.fixture(scope="module", autouse=True)
def bin_on_path():
    """bin/ holds scripts, not a package: they import each other by bare name."""
    sys.path.insert(0, str(BIN))
    yield
    sys.path.remove(str(BIN))


@pytest.fixture
def machine():
    import machine

    return machine


@pytest.fixture
def bootstrap():
    import bootstrap

    return bootstrap


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def run_with_pythons(folder: Path) -> subprocess.CompletedProcess[str]:
    """Call bin/run where the PATH holds these interpreters only."""
    script(folder / "dirname", f'exec {shutil.which("dirname")} "$@"')
    script(folder / "sh", 'exec /bin/sh "$@"')
    return subprocess.run(
        ["/bin/sh", BIN / "run", "--help"], env={"PATH": str(folder)}, capture_output=True, text=True
    )


# --- finding Python


def test_run_without_any_python_says_what_to_install(tmp_path):
    result = run_with_pythons(tmp_path)

    assert result.returncode == 1
    assert (
        result.stderr.splitlines()[0] == "RiskReg needs Python 3.11 or later, and none was found on the PATH."
    )


def test_run_skips_an_old_python_and_a_dead_shim(tmp_path):
    script(tmp_path / "python3", "exit 1")  # the version check of an old Python
    script(tmp_path / "python3.13", "exit 127")  # pyenv's shim of a version that is not active
    script(tmp_path / "python3.12", f'case "$1" in -c) exit 0;; esac; exec {sys.executable} "$@"')

    result = run_with_pythons(tmp_path)

    assert result.returncode == 0
    assert result.stdout.splitlines()[0].startswith("usage: bin/run ")


# --- the virtual environment


@pytest.mark.parametrize(
    ("version", "stamp", "state"),
    [
        (None, {}, "broken"),
        ("3.10", {}, "broken"),
        ("3.11", {}, "usable"),
        ("3.11", {"python": "3.11", "installing": "a.lock"}, "broken"),
        ("3.12", {"python": "3.11", "locks": {"a.lock": "current"}}, "broken"),
        ("3.11", {"python": "3.11", "locks": {"a.lock": "outdated"}}, "usable"),
        ("3.11", {"python": "3.11", "locks": {"b.lock": "current"}}, "usable"),
        ("3.11", {"python": "3.11", "locks": {"a.lock": "current"}}, "ready"),
    ],
)
def test_venv_state_follows_from_version_and_stamp(machine, monkeypatch, version, stamp, state):
    monkeypatch.setattr(machine, "digest", lambda paths: "current")

    assert machine.venv_state(Path("a.lock"), version, stamp) == state


def test_digest_changes_with_content_and_name_but_not_with_order(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("b")
    before = machine.digest([one, two])
    assert machine.digest([two, one]) == before

    one.write_text("b")
    two.write_text("a")
    assert machine.digest([one, two]) != before


def test_install_with_failing_uv_goes_on_with_pip_and_notes_both_locks(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(machine, "RUN_LOCK", tmp_path / "run.lock")
    monkeypatch.setattr(machine, "find_uv", lambda: "/bin/uv")
    monkeypatch.setattr(machine, "find_pip", lambda: ["/bin/python", "-m", "pip"])
    monkeypatch.setattr(machine, "venv_version", lambda: "3.11")
    tried = []

    def attempt(command, *args):
        tried.append(command[0])
        assert json.loads((tmp_path / "stamp").read_text()) == {"python": "3.11", "installing": "dev.lock"}
        return command[0] == "/bin/python", "no route to host"

    monkeypatch.setattr(machine, "attempt", attempt)
    for name in ("run.lock", "dev.lock"):
        (tmp_path / name).write_text("django==5.2 \\\n")

    machine.install(tmp_path / "dev.lock")

    assert tried == ["/bin/uv", "/bin/uv", "/bin/python"]
    assert list(json.loads((tmp_path / "stamp").read_text())["locks"]) == ["dev.lock", "run.lock"]


def test_installers_without_uv_and_pip_say_what_to_install(machine, monkeypatch):
    monkeypatch.setattr(machine, "find_uv", lambda: None)
    monkeypatch.setattr(machine, "find_pip", lambda: None)

    with pytest.raises(machine.UserError, match="sudo apt-get install -y python3-venv"):
        list(machine.installers())


def test_clean_environment_drops_what_belongs_to_another_project(machine, monkeypatch):
    for name in ("RISKREG_DEMO", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "foreign")
    monkeypatch.setenv("HTTPS_PROXY", "kept")

    environment = machine.clean_environment({"RISKREG_DATA_DIR": "own"})

    assert "foreign" not in environment.values()
    assert environment["HTTPS_PROXY"] == "kept"
    assert environment["RISKREG_DATA_DIR"] == "own"


# --- system packages


def test_missing_pango_names_the_packages_whose_library_does_not_load(machine, monkeypatch):
    monkeypatch.setattr(machine, "can_load", lambda names: "libpango-1.0.so.0" in names)

    assert machine.missing_pango() == ["libpangoft2-1.0-0", "libharfbuzz-subset0"]


def test_can_load_tries_every_name(machine):
    assert machine.can_load(["libnothing.so.0", None])  # None: the running program itself
    assert not machine.can_load(["libnothing.so.0", "libnone.dylib"])


def test_missing_pango_without_root_prints_the_apt_line_and_goes_on(machine, monkeypatch, capsys):
    monkeypatch.setattr(machine, "can_load", lambda names: False)
    monkeypatch.setattr(machine, "apt_install", lambda packages: False)
    monkeypatch.setattr(machine.sys, "platform", "linux")

    machine.ensure_pango()

    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("sudo apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0")


def test_apt_install_without_root_does_nothing(machine, monkeypatch):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(machine, "attempt", lambda *args: pytest.fail("apt-get was called"))

    assert machine.apt_install(["gettext"]) is False


def test_apt_install_without_package_lists_updates_them_and_tries_again(machine, monkeypatch):
    answers = iter([(False, "Unable to locate package"), (True, ""), (True, "")])
    calls = []
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(machine, "attempt", lambda command, *args: calls.append(command[1]) or next(answers))

    assert machine.apt_install(["gettext"]) is True
    assert calls == ["install", "update", "install"]


def test_find_chromium_passes_over_one_that_does_not_start(machine, monkeypatch, tmp_path):
    script(tmp_path / "chromium-browser", "echo this needs the snap; exit 1")
    works = script(tmp_path / "google-chrome", "exit 0")
    monkeypatch.delenv("RISKREG_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert machine.find_chromium() == str(works)
    works.unlink()
    assert machine.find_chromium() is None


def test_find_chromium_prefers_the_one_that_was_named(machine, monkeypatch, tmp_path):
    script(tmp_path / "chromium", "exit 0")
    named = script(tmp_path / "mine", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RISKREG_CHROMIUM", str(named))

    assert machine.find_chromium() == str(named)


# --- bin/run


@pytest.mark.enable_socket
def test_choose_port_taken_and_named_refuses(bootstrap, taken_port):
    with pytest.raises(bootstrap.UserError, match=f"Port {taken_port} is taken"):
        bootstrap.choose_port("127.0.0.1", taken_port)


@pytest.mark.enable_socket
def test_choose_port_default_taken_takes_the_next_free_one_and_says_so(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "is_free", lambda host, port: port == 8002)

    assert bootstrap.choose_port("127.0.0.1", None) == 8002
    assert capsys.readouterr().out.endswith("Port 8000 is taken: using 8002\n")


@pytest.mark.enable_socket
def test_is_free_follows_the_listener(bootstrap, taken_port):
    assert bootstrap.is_free("127.0.0.1", taken_port) is False
    with pytest.raises(bootstrap.UserError, match=r"cannot listen on 192\.0\.2\.1"):
        bootstrap.is_free("192.0.2.1", taken_port)


def test_kept_secret_stays_the_same_and_is_private(bootstrap, tmp_path):
    path = tmp_path / "secret_key"

    assert bootstrap.kept_secret(path, "short") == "short"
    assert bootstrap.kept_secret(path, "a longer one") == "a longer one"
    assert bootstrap.kept_secret(path, "one as long.") == "a longer one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("empty", "demo", "code_length"), [(False, "1", 0), (True, None, 16)])
def test_run_settings_are_either_the_demonstration_or_guarded(
    bootstrap, monkeypatch, tmp_path, empty, demo, code_length
):
    monkeypatch.setattr(bootstrap, "VAR", tmp_path / "var")
    (tmp_path / "var").mkdir()
    options = argparse.Namespace(empty=empty, host="127.0.0.1")

    settings = bootstrap.run_settings(options, tmp_path / "var" / "home")

    assert settings.get("RISKREG_DEMO") == demo
    assert len(settings.get("RISKREG_SETUP_CODE", "")) == code_length
    assert len(settings["RISKREG_SECRET_KEY"]) >= 50
    assert stat.S_IMODE((tmp_path / "var" / "home").stat().st_mode) == 0o700


def test_address_of_a_server_for_everyone_is_one_that_a_browser_can_open(bootstrap):
    assert bootstrap.address("0.0.0.0", 8000) == "http://127.0.0.1:8000"  # noqa: S104
    assert bootstrap.address("::1", 8001) == "http://[::1]:8001"


@pytest.mark.parametrize(
    "arguments", [["--port", "0"], ["--port", "65536"], ["--workers", "0"], ["--por", "1"]]
)
def test_parse_run_with_a_senseless_argument_refuses(bootstrap, arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        bootstrap.parse("run", arguments)

    assert stop.value.code == 2


# --- bin/test and bin/check


def test_suite_command_without_browser_leaves_browser_tests_out(bootstrap):
    options = bootstrap.parse("test", ["-x", "-m", "slow", "tests/test_a.py"])
    python = str(bootstrap.PYTHON)

    assert bootstrap.suite_command("SQLite", options, browser=True) == [
        *(python, "-m", "pytest", "-n", "2", "-m", "(slow)", "-x", "tests/test_a.py"),
    ]
    assert bootstrap.suite_command("PostgreSQL", options, browser=False) == [
        *(python, str(BIN / "postgres.py"), "-m", "pytest", "-n", "2"),
        *("-m", "(slow) and not e2e", "-x", "tests/test_a.py"),
    ]


@pytest.mark.parametrize(
    ("codes", "narrowed", "expected"),
    [
        ([0, 0], False, 0),
        ([0, 1], False, 1),
        ([0, 5], False, 1),
        ([0, 5], True, 0),
        ([5, 5], True, 1),
        ([1, 0], True, 1),
    ],
)
def test_tests_exit_code_is_zero_only_if_something_passed_and_nothing_failed(
    bootstrap, codes, narrowed, expected
):
    assert bootstrap.tests_exit_code(codes, narrowed=narrowed) == expected


def test_check_with_one_failing_gate_runs_the_rest_and_names_it(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "ensure_venv", lambda lock: None)
    monkeypatch.setattr(bootstrap, "gates", lambda: {"one": ["1"], "two": ["2"], "three": ["3"]})
    monkeypatch.setattr(bootstrap, "attempt", lambda command, *args: (command[1] != "2", "the reason"))

    assert bootstrap.check(argparse.Namespace()) == 1

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["ok", "FAILED", "the", "ok", "bin/check:"]
    assert lines[-1] == "bin/check: failed: two"


# --- bin/run and its processes


def sleeper(bootstrap, code: str = "import time; time.sleep(60)"):
    return bootstrap.start([sys.executable, "-c", code], {})


def test_wait_for_any_names_the_process_that_ended(bootstrap):
    running = {"server": sleeper(bootstrap), "worker": sleeper(bootstrap, "raise SystemExit(3)")}
    try:
        assert bootstrap.wait_for_any(running) == ("worker", 3)
    finally:
        for process in running.values():
            bootstrap.stop(process)
    assert running["server"].returncode == -15


def run_with(bootstrap, monkeypatch, tmp_path, *, end, arguments=()):
    """Call bin/run with everything but its processes left out; returns their commands and in which order
    they were stopped."""
    started, stopped = [], []
    monkeypatch.setattr(bootstrap, "VAR", tmp_path)
    for name in ("ensure_pango", "ensure_venv", "prepare_database", "announce", "wait_until_healthy"):
        monkeypatch.setattr(bootstrap, name, lambda *args: None)
    monkeypatch.setattr(bootstrap, "one_at_a_time", contextlib.nullcontext)
    monkeypatch.setattr(bootstrap, "choose_port", lambda host, port: 8123)
    monkeypatch.setattr(
        bootstrap, "start", lambda command, settings: started.append((command, settings)) or command
    )
    monkeypatch.setattr(bootstrap, "stop", stopped.append)
    monkeypatch.setattr(bootstrap, "wait_for_any", end)
    try:
        code = bootstrap.run(bootstrap.parse("run", list(arguments)))
    except bootstrap.UserError as error:
        code = str(error)
    return code, started, stopped


def test_run_starts_the_worker_beside_the_server_and_stops_the_server_first(bootstrap, monkeypatch, tmp_path):
    def stopped_by_hand(running):
        assert list(running) == ["server", "worker"]
        raise KeyboardInterrupt

    code, started, stopped = run_with(bootstrap, monkeypatch, tmp_path, end=stopped_by_hand)

    assert code == 0
    assert [command[1:3] for command, _settings in started] == [["-m", "granian"], ["manage.py", "worker"]]
    assert {settings["RISKREG_BASE_URL"] for _command, settings in started} == {"http://127.0.0.1:8123"}
    assert stopped == [command for command, _settings in started]


def test_run_whose_worker_ends_says_so_and_stops_the_server(bootstrap, monkeypatch, tmp_path):
    code, started, stopped = run_with(bootstrap, monkeypatch, tmp_path, end=lambda running: ("worker", 1))

    assert code == "The worker ended by itself, with exit code 1; what it printed is above."
    assert len(started) == len(stopped) == 2


def test_run_without_worker_starts_the_server_only(bootstrap, monkeypatch, tmp_path):
    _code, started, stopped = run_with(
        bootstrap, monkeypatch, tmp_path, end=lambda running: ("server", 1), arguments=["--no-worker"]
    )

    assert len(started) == len(stopped) == 1

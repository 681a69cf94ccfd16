"""Settings of accounts: what is wrong is said at start, what is right passes Django's own check."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.test.utils import override_settings

from riskreg.variables import check_password_in, group_roles, secure_address, strong
from tests.cast import Cast

ROOT = Path(__file__).resolve().parents[1]
SECRET = "Xq7-vT2p_Lk9rWzB4n"
MAIL = {
    "RISKREG_EMAIL_URL": f"smtp+tls://riskreg:{SECRET}@mail.acme.example:587",
    "RISKREG_MAIL_FROM": "RiskReg <riskreg@acme.example>",
}
LOCAL_CACHE = "django.core.cache.backends.locmem.LocMemCache"
OIDC = {
    "RISKREG_OIDC_ISSUER": "https://login.acme.example",
    "RISKREG_OIDC_CLIENT_ID": "riskreg",
    "RISKREG_OIDC_CLIENT_SECRET": SECRET,
}


def start(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    ours = ("RISKREG_", "DATABASE_", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "RISKREG_SECRET_KEY": secrets.token_urlsafe(50),
        "RISKREG_ALLOWED_HOSTS": "riskreg.example",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"RISKREG_OIDC_ISSUER": "https://a.example"}, "set RISKREG_OIDC_CLIENT_ID and RISKREG_OIDC"),
        ({"RISKREG_OIDC_ROLES": "acme:staff=reader"}, "Single sign-on is set up in part"),
        (OIDC | {"RISKREG_OIDC_ISSUER": "http://a.example"}, "RISKREG_OIDC_ISSUER must be an https address"),
        (OIDC | {"RISKREG_OIDC_CLIENT_SECRET": "changeme"}, "RISKREG_OIDC_CLIENT_SECRET is too short"),
        (OIDC | {"RISKREG_OIDC_CLIENT_SECRET": "secretsecretsecret"}, "too simple for a secret"),
        (OIDC | {"RISKREG_OIDC_ROLES": "acme:staff=boss"}, "RISKREG_OIDC_ROLES cannot be read from"),
        ({"RISKREG_EMAIL_URL": "smtp://mail.acme.example"}, "set RISKREG_MAIL_FROM too"),
        (MAIL | {"RISKREG_EMAIL_URL": "smtp://u:changeme@a.example"}, "The password in RISKREG_EMAIL_URL"),
        ({"RISKREG_SETUP_CODE": "a"}, "RISKREG_SETUP_CODE is too short or too simple"),
        ({"RISKREG_SECRET_KEY": "password1234" * 4}, "Set RISKREG_SECRET_KEY to at least 40 random"),
        ({"DATABASE_URL": "postgres://riskreg:riskreg@db/riskreg"}, "The password in DATABASE_URL is too"),
        ({"RISKREG_CACHE_URL": "redis://:redis@cache/1"}, "The password in RISKREG_CACHE_URL is too short"),
        ({"RISKREG_OPEN_SIGNUP": "1"}, "RISKREG_OPEN_SIGNUP confirms addresses by mail"),
    ],
)  # fmt: skip
def test_wrong_setting_fails_at_start_and_names_itself(variables: dict[str, str], sentence: str) -> None:
    answer = start(["-c", "import riskreg.settings"], **variables)
    assert answer.returncode == 1
    assert "ImproperlyConfigured" in answer.stderr.splitlines()[-1]
    assert sentence in answer.stderr.splitlines()[-1]


def test_settings_of_production_pass_the_check_for_deployment(tmp_path: Path) -> None:
    command = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    answer = start(command, **MAIL, **OIDC, RISKREG_DATA_DIR=str(tmp_path))
    assert (answer.returncode, answer.stdout) == (0, "System check identified no issues (0 silenced).\n")


def test_without_mail_the_product_runs_and_warns(tmp_path: Path) -> None:
    answer = start(["manage.py", "check"], RISKREG_DATA_DIR=str(tmp_path))
    assert answer.returncode == 0
    assert "(risks.W001) No mail goes out" in answer.stderr


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"MAIL_WORKS": True}, []),
        ({"MAIL_WORKS": False}, ["risks.W001"]),
        ({"CACHES": {"default": {"BACKEND": LOCAL_CACHE}}}, ["risks.W002"]),
    ],
)  # fmt: skip
def test_warnings_tell_what_does_not_work(changed: dict[str, object], expected: list[str]) -> None:
    with override_settings(**changed):
        found = [str(message.id) for message in run_checks()]
    assert [each for each in found if each.startswith("risks.W00")] == expected


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        "secret",
        "changeme",
        "aaaaaaaaaaaaaaaaaaaa",
        "changemechangeme",
        "password1234-password1234!",
    ],
)
def test_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME is too short or too simple"):
        strong("NAME", secret)


@pytest.mark.parametrize(
    "secret", [SECRET, "c4ca4238a0b923820dcc509a6f75849b", "correct horse battery staple"]
)
def test_strong_secret_is_taken(secret: str) -> None:
    assert strong("NAME", secret) == secret


@pytest.mark.parametrize("url", ["", "sqlite:///x.sqlite3", "redis://cache/1", f"postgres://u:{SECRET}@db/r"])
def test_address_without_a_weak_password_is_taken(url: str) -> None:
    check_password_in("NAME", url)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", ()),
        ("acme:staff=reader", (("acme", "staff", "reader"),)),
        (
            " acme:risk-admins=administrator , acme:staff=contributor,",
            (("acme", "risk-admins", "administrator"), ("acme", "staff", "contributor")),
        ),
        ("acme:cn=staff,ou=risk=manager", (("acme", "cn=staff,ou=risk", "manager"),)),
        ("acme:/a/b:c=reader", (("acme", "/a/b:c", "reader"),)),
    ],
)
def test_rules_of_groups_are_read(text: str, rules: tuple[tuple[str, str, str], ...]) -> None:
    assert group_roles("NAME", text) == rules


@pytest.mark.parametrize(
    "text", ["staff", "acme:=reader", ":staff=reader", "acme:staff", "a:b=reader,c", "a:b=readers"]
)
def test_rules_of_groups_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NAME cannot be read"):
        group_roles("NAME", text)


@pytest.mark.parametrize("address", ["http://a.example", "a.example", "https://", "ftp://a.example", ""])
def test_insecure_address_is_refused(address: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        secure_address("NAME", address, insecure=False)


def test_address_is_taken_without_its_last_slash() -> None:
    assert (
        secure_address("NAME", "https://a.example/realms/x/", insecure=False) == "https://a.example/realms/x"
    )
    assert secure_address("NAME", "http://a.example", insecure=True) == "http://a.example"


@pytest.mark.parametrize("address", ["/accounts/login/", "/t/acme/", "/health/", "/nowhere/"])
def test_pages_forbid_what_they_do_not_use(cast: Cast, address: str) -> None:
    policy = cast.client_for(cast.reader).get(address).headers["Permissions-Policy"]
    parts = dict(part.split("=") for part in policy.split(", "))
    assert parts.pop("publickey-credentials-get") == parts.pop("publickey-credentials-create") == "(self)"
    assert set(parts.values()) == {"()"}
    assert {"camera", "microphone", "geolocation", "usb", "payment"} <= set(parts)


def test_pages_of_accounts_run_no_inline_script(db: None) -> None:
    page = Client().get("/accounts/login/")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    assert "onclick=" not in page.text
    assert "style=" not in page.text

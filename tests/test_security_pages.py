"""Headers of every answer, hosts, error pages, and what a form must not be able to write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse

from risks.models import Membership, Risk, User
from risks.views import overview
from tests.browser import form_of
from tests.rights import LINES
from tests.world import World, check_page, everything, undone

ROOT = Path(__file__).resolve().parent.parent
POLICY = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:",
    "font-src": "'self'", "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'",
    "frame-ancestors": "'none'",
}  # fmt: skip
FILE_POLICY = {"default-src": "'none'", "frame-ancestors": "'none'", "sandbox": ""}
"""Of a file that somebody has added: it can do nothing at all, wherever it is opened."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def check_headers(name: str, headers: Any) -> None:
    for header, value in HEADERS.items():
        assert (name, header, headers.get(header)) == (name, header, value)
    parts = [part.strip().partition(" ") for part in headers["Content-Security-Policy"].split(";") if part]
    expected = (
        FILE_POLICY if "/files/" in name and "sandbox" in headers["Content-Security-Policy"] else POLICY
    )
    assert (name, {key: value for key, _space, value in parts}) == (name, expected)
    denied = headers["Permissions-Policy"]
    assert "camera=()" in denied
    assert "geolocation=()" in denied


# --- every answer


@pytest.mark.ignore_template_errors
def test_every_answer_carries_the_headers_and_no_inline_code(world: World) -> None:
    """Pages, parts, refusals, downloads and redirects, in the product, in accounts and in the admin site."""
    site = User.objects.create_superuser("site@acme.example", "x" * 12)
    operator = Client()
    operator.force_login(site)
    names = [*("account_" + each for each in ("login", "signup", "reset_password")), "admin:index"]
    others = [reverse(name) for name in names]
    others += [reverse(f"admin:risks_{each}_changelist") for each in ("user", "template", "matrix", "team")]
    seen = set()
    for url in [*others, *(world.url(name) for name in LINES), "/nowhere/", "/t/acme/risks/VOICE-99/"]:
        for client in (world.client("administrator"), world.client("reader"), Client(), operator):
            for method, headers in (("get", {}), ("get", {"HX-Request": "true"}), ("post", {}), ("put", {})):
                with undone():
                    answer = getattr(client, method)(url, headers=headers)
                    if answer.streaming:
                        b"".join(answer.streaming_content)
                check_headers(f"{method} {url}", answer.headers)
                check_page(answer)
                seen.add(answer.status_code)
    assert {200, 302, 403, 404, 405, 422} <= seen


def test_pages_of_signed_in_people_stay_out_of_shared_caches(world: World) -> None:
    for name in ("overview", "risk-list", "risk-detail", "inbox", "profile", "member-list", "activity"):
        header = world.client("administrator").get(world.url(name)).headers["Cache-Control"]
        assert "private" in header or "no-store" in header, name


# --- as in production


PRODUCTION = """
import json, sys
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("createcachetable", verbosity=0)
call_command("load_library", verbosity=0)
from django.test import Client
from django.test.utils import setup_test_environment
from risks.models import Matrix, User
from risks.rules import Actor
from risks.services.team import create_register, create_team
person = User.objects.create_superuser("site@acme.example", "correct horse battery", name="Site")
membership = create_team({"slug": "acme", "name_en": "Acme"}, administrator=person)
values = {"key": "VOICE", "name_en": "Voice", "matrix": Matrix.objects.get(key="log-5x5")}
create_register(membership.team, values, by=Actor.of(membership))
host = {"HTTP_HOST": "risks.example.com"}
client = Client(raise_request_exception=False)
found = {}
def note(name, answer):
    found[name] = {
        "status": answer.status_code, "headers": dict(answer.headers),
        "cookies": {key: dict(morsel) for key, morsel in answer.cookies.items()},
        "body": "" if answer.streaming else answer.content.decode(),
    }
note("plain", client.get("/accounts/login/", **host))
note("login page", client.get("/accounts/login/", secure=True, **host))
data = {"login": "site@acme.example", "password": "correct horse battery"}
note("sign in", client.post("/accounts/login/", data, secure=True, **host))
note("language", client.post("/me/preferences/", {"language": "en", "theme": "dark"}, secure=True, **host))
for url in ("/t/acme/", "/t/acme/risks/", "/t/acme/risks/new/", "/nowhere/", "/admin/", "/health/"):
    note(url, client.get(url, secure=True, **host))
note("wrong host", client.get("/t/acme/", secure=True, HTTP_HOST="evil.example"))
note("forwarded host", client.get("/t/acme/", secure=True, HTTP_X_FORWARDED_HOST="evil.example", **host))
from risks.views import overview
def broken(*args, **kwargs):
    secret_of_the_frame = "hunter2-in-a-variable"
    raise RuntimeError(f"hunter2-in-the-message {secret_of_the_frame}")
overview.read_overview = overview.render_page = broken
note("broken", client.get("/t/acme/", secure=True, **host))
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What pages answer with the settings of an installation, in a process of its own."""
    environment = {
        "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "riskreg.settings",
        "RISKREG_SECRET_KEY": "".join(chr(33 + number * 7 % 90) for number in range(60)),
        "RISKREG_ALLOWED_HOSTS": "risks.example.com",
        "RISKREG_DATA_DIR": str(tmp_path_factory.mktemp("data")), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    answer = subprocess.run(
        [sys.executable, "-c", PRODUCTION], env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def test_plain_http_leads_to_https_in_production(production: dict[str, Any]) -> None:
    plain = production["plain"]
    assert (plain["status"], plain["headers"]["Location"]) == (
        301,
        "https://risks.example.com/accounts/login/",
    )


def test_every_page_in_production_is_strict(production: dict[str, Any]) -> None:
    for name, answer in production.items():
        if name not in ("plain", "/health/"):
            hsts = answer["headers"].get("Strict-Transport-Security")
            assert (name, hsts) == (name, "max-age=31536000; includeSubDomains; preload")
            check_headers(name, answer["headers"])
    statuses = {name: answer["status"] for name, answer in production.items()}
    assert statuses == {
        "plain": 301, "login page": 200, "sign in": 302, "language": 302, "/t/acme/": 200,
        "/t/acme/risks/": 200, "/t/acme/risks/new/": 200, "/nowhere/": 404, "/admin/": 200, "/health/": 200,
        "wrong host": 400, "forwarded host": 200, "broken": 500,
    }  # fmt: skip


def test_cookies_in_production_are_for_us_alone(production: dict[str, Any]) -> None:
    cookies = {name: morsel for answer in production.values() for name, morsel in answer["cookies"].items()}
    flags = {name: (bool(m["secure"]), bool(m["httponly"]), m["samesite"]) for name, m in cookies.items()}
    assert {"sessionid", "csrftoken", "riskreg_language"} <= set(flags)
    assert set(flags.values()) == {(True, True, "Lax")}


def test_broken_page_in_production_tells_nothing(production: dict[str, Any]) -> None:
    body = production["broken"]["body"]
    assert "Something went wrong on our side" in body
    for word in ("hunter2", "Traceback", "RuntimeError", "overview.py", "SECRET"):
        assert word not in body


def test_host_that_a_request_claims_stands_in_no_page(production: dict[str, Any]) -> None:
    for name, answer in production.items():
        assert "evil.example" not in answer["body"], name
        assert "evil.example" not in json.dumps(answer["headers"]), name


# --- hosts


@pytest.mark.ignore_template_errors
@pytest.mark.parametrize("host", ["testserver", "localhost"])
def test_links_in_mails_lead_to_our_address_whatever_the_request_claims(world: World, host: str) -> None:
    headers = {"Host": host, "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    with override_settings(BASE_URL="https://risks.example.com"):
        client = Client()
        client.post(reverse("account_reset_password"), {"email": world.cast.reader.email}, headers=headers)
    (message,) = mail.outbox
    links = re.findall(r"https?://[^\s<>\"]+", f"{message.body} {message.alternatives}")
    assert links
    assert {link.split("/")[2] for link in links} == {"risks.example.com"}
    assert host not in message.body


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "a b"]
)
def test_host_that_is_not_ours_is_refused(world: World, host: str) -> None:
    for url in (reverse("account_login"), world.url("overview"), reverse("account_reset_password")):
        assert world.client("reader").get(url, headers={"Host": host}).status_code == 400


# --- what a form must not write


def test_fields_that_no_form_offers_are_not_written(world: World) -> None:
    """Rights, team, state and owner of things smuggled into every form that the role may send."""
    smuggled = {
        "role": "administrator", "is_staff": "on", "is_superuser": "on", "is_active": "", "team": "2",
        "team_id": world.cast.other_team.pk, "register_id": world.cast.other_register.pk, "state": "closed",
        "number": "99", "code": "OTHER-99", "version": "99", "created_by": world.cast.outsider.pk,
        "residual_rank": "1", "expected_loss": "9", "password": "smuggled", "groups": "1",
        "user_permissions": "1", "slug": "other", "key": "OTHER", "archived_at": "2026-01-01",
        "pseudonymised_at": "2026-01-01", "author": world.cast.outsider.pk, "added_by": "1",
    }  # fmt: skip
    sent = 0
    for name in ("risk-update", "mitigation-update", "indicator-update", "profile", "comment-update"):
        client, url = world.client("owner"), world.url(name)
        data = form_of(client, url)
        own = {key: value for key, value in smuggled.items() if key not in data}
        before = _rights()
        with undone():
            answer = client.post(url, {**data, **own})
            assert answer.status_code in (200, 302), (name, answer.status_code)
            assert _rights() == before, name
        sent += 1
    assert sent == 5


def _rights() -> list[Any]:
    """Who may do what, whose things are, and in which state they are."""
    return [
        list(
            User.objects.order_by("pk").values("is_staff", "is_superuser", "is_active", "password", "email")
        ),
        list(Membership.objects.order_by("pk").values("role", "team", "user", "is_active")),
        list(
            Risk.objects.order_by("pk").values(
                "team", "register", "state", "number", "code", "created_by", "residual_rank", "expected_loss"
            )
        ),
    ]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"title_en": "x", "seen": "y"}', "application/json"),
        ("<risk><title_en>x</title_en></risk>", "application/xml"),
        ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "text/xml"),
        ("title_en=x", "text/plain"),
        ("\x00\xff", "application/octet-stream"),
        ("title_en=x", "application/x-www-form-urlencoded; charset=utf-7"),
    ],
)
def test_bodies_of_other_types_write_nothing(world: World, body: str, content_type: str) -> None:
    before = everything()
    for name in ("risk-create", "risk-update", "mitigation-update", "register-update", "team-settings"):
        answer = world.client("administrator").post(world.url(name), body, content_type=content_type)
        assert answer.status_code in (400, 422), (name, answer.status_code)
        assert "root:" not in answer.text
    assert everything() == before


def test_broken_page_answers_with_our_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(overview, "render_page", broken)
    answer = world.client("reader").get(world.url("overview"))
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    check_page(answer)

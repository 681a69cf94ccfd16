"""Second factors: apps, recovery codes, passkeys as forms; and the team that lets nobody in without one."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from risks.enums import Secured, Verb
from risks.models import AuditEvent, Team, User
from risks.services.accounts import has_second_factor
from tests.cast import PASSWORD, Cast

SECRET = generate_totp_secret()


def code(secret: str = SECRET, steps: int = 0) -> str:
    """What the app shows now, or so many half minutes later."""
    return format_hotp_value(hotp_value(secret, int(timezone.now().timestamp()) // 30 + steps))


def wrong_code(secret: str = SECRET) -> str:
    near = {code(secret, steps) for steps in range(-3, 4)}
    return next(
        number
        for number in ("000000", "111111", "222222", *map(str, range(900000, 900009)))
        if number not in near
    )


def set_up(user: User) -> list[str]:
    """An app, and the recovery codes that come with it."""
    TOTP.activate(user, SECRET)
    return RecoveryCodes.activate(user).get_unused_codes()


def half_way(user: User) -> Client:
    """The password was right; the second step is to come."""
    client = Client()
    answer = client.post(
        "/accounts/login/", {"login": user.email, "password": PASSWORD, "next": "/t/acme/matrix/"}
    )
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    return client


def enter(client: Client, text: str) -> Any:
    return client.post("/accounts/2fa/authenticate/", {"code": text})


def signed_in(user: User) -> Client:
    """Within the minutes in which a sign-in proves who it is."""
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


def steps() -> list[str]:
    return [line.changes["step"][1] for line in AuditEvent.objects.filter(verb=Verb.SECURED).order_by("pk")]


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


# --- signing in with one


def test_password_alone_signs_nobody_in_who_has_an_app(cast: Cast) -> None:
    set_up(cast.reader)
    client = half_way(cast.reader)
    assert not is_in(client)
    assert client.get("/t/acme/")["Location"] == "/accounts/login/?next=/t/acme/"
    assert not AuditEvent.objects.filter(verb=Verb.SIGNED_IN).exists()


def test_code_of_the_app_signs_in_and_leads_on(cast: Cast) -> None:
    set_up(cast.reader)
    client = half_way(cast.reader)
    assert "One more step" in client.get("/accounts/2fa/authenticate/").text
    assert enter(client, code())["Location"] == "/t/acme/matrix/"
    assert is_in(client)
    assert AuditEvent.objects.get(verb=Verb.SIGNED_IN).actor == cast.reader


@pytest.mark.parametrize("drift", [-1, 1])
def test_code_of_a_clock_that_is_half_a_minute_off_counts(cast: Cast, drift: int) -> None:
    set_up(cast.reader)
    client = half_way(cast.reader)
    enter(client, code(steps=drift))
    assert is_in(client)


@pytest.mark.parametrize("text", ["wrong", "old", "", "abc", "１２３４５６", "9" * 500, "1\0"])
def test_wrong_code_is_refused_with_a_sentence(cast: Cast, text: str) -> None:
    set_up(cast.reader)
    client = half_way(cast.reader)
    page = enter(client, {"wrong": wrong_code(), "old": code(steps=-3)}.get(text, text))
    assert page.status_code == 422
    assert re.search("This code is not right|This field is required|Null characters", page.text)
    assert not is_in(client)


def test_wrong_code_is_told_about_the_person(cast: Cast) -> None:
    set_up(cast.reader)
    enter(half_way(cast.reader), wrong_code())
    line = AuditEvent.objects.get(verb=Verb.SIGN_IN_FAILED)
    assert (line.actor, line.subject, line.team) == (None, cast.reader, cast.team)


def test_code_counts_once(cast: Cast) -> None:
    """Somebody who looks over a shoulder has nothing of it."""
    set_up(cast.reader)
    first, thief = half_way(cast.reader), half_way(cast.reader)
    seen = code()
    enter(first, seen)
    page = enter(thief, seen)
    assert (is_in(first), is_in(thief)) == (True, False)
    assert "count once" in page.text


def test_code_counts_once_for_as_long_as_it_would_be_right(cast: Cast) -> None:
    set_up(cast.reader)
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        first, thief = half_way(cast.reader), half_way(cast.reader)
        ahead = code(steps=1)
        enter(first, ahead)
        clock.shift(59)
        assert ahead == code(steps=0) or ahead == code(steps=-1)
        enter(thief, ahead)
    assert (is_in(first), is_in(thief)) == (True, False)


def test_codes_cannot_be_guessed_by_the_dozen(cast: Cast) -> None:
    set_up(cast.reader)
    client = half_way(cast.reader)
    for _attempt in range(5):
        enter(client, wrong_code())
    page = enter(client, code())
    assert "Too many attempts that failed." in page.text
    assert not is_in(client)


def test_second_step_ends_after_a_while(cast: Cast) -> None:
    set_up(cast.reader)
    client = half_way(cast.reader)
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert enter(client, code())["Location"] == "/accounts/login/"
    assert not is_in(client)


def test_recovery_code_counts_once(cast: Cast) -> None:
    spare = set_up(cast.reader)[0]
    first = half_way(cast.reader)
    enter(first, spare)
    second = half_way(cast.reader)
    page = enter(second, spare)
    assert (is_in(first), is_in(second), page.status_code) == (True, False, 422)
    assert steps() == [Secured.CODE_USED]


# --- setting up and removing


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the commit happens at once: allauth tells and mails then, in the same request."""
    monkeypatch.setattr(transaction, "on_commit", lambda act, **kwargs: act())


def test_app_is_switched_on_by_its_first_code(cast: Cast, committed: None) -> None:
    client = signed_in(cast.reader)
    page = client.get("/accounts/2fa/totp/activate/").text
    secret = re.search(r'<code class="totp-key" translate="no">(\w+)</code>', page)[1]  # type: ignore[index]
    assert '<img src="data:image/svg+xml;base64,' in page
    assert "style=" not in page.split("<main")[1].split("</main>")[0]
    wrong = client.post("/accounts/2fa/totp/activate/", {"code": wrong_code(secret)})
    assert (wrong.status_code, secret in wrong.text) == (422, True)  # the app need not scan again
    answer = client.post("/accounts/2fa/totp/activate/", {"code": code(secret)})
    assert answer["Location"] == "/accounts/2fa/recovery-codes/"
    assert client.get(answer["Location"]).text.count("<li><code>") == 10
    assert has_second_factor(cast.reader)
    assert sorted(steps()) == sorted([Secured.APP_ADDED, Secured.CODES_MADE])
    assert [(m.to, m.subject) for m in mail.outbox] == [
        ([cast.reader.email], "An authenticator app was added")
    ]


def test_code_that_switched_the_app_on_signs_nobody_in(cast: Cast, committed: None) -> None:
    client = signed_in(cast.reader)
    page = client.get("/accounts/2fa/totp/activate/").text
    secret = re.search(r'<code class="totp-key" translate="no">(\w+)</code>', page)[1]  # type: ignore[index]
    first = code(secret)
    assert client.post("/accounts/2fa/totp/activate/", {"code": first}).status_code == 302
    thief, owner = half_way(cast.reader), half_way(cast.reader)
    enter(thief, first)
    enter(owner, code(secret, steps=1))
    assert (is_in(thief), is_in(owner)) == (False, True)


def test_app_is_removed_with_the_codes_that_came_with_it(cast: Cast, committed: None) -> None:
    client = signed_in(cast.reader)
    set_up(cast.reader)
    assert "Remove the authenticator app?" in client.get("/accounts/2fa/totp/deactivate/").text
    client.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=cast.reader).exists()
    assert steps() == [Secured.APP_REMOVED, Secured.CODES_REMOVED]
    assert mail.outbox[-1].subject == "The authenticator app was removed"


def test_new_recovery_codes_replace_the_old(cast: Cast, committed: None) -> None:
    client = signed_in(cast.reader)
    old = set_up(cast.reader)
    client.post("/accounts/2fa/recovery-codes/generate/")
    text = client.get("/accounts/2fa/recovery-codes/download/")
    new = text.text.split()
    assert text["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert (len(new), set(new) & set(old)) == (10, set())
    assert steps() == [Secured.CODES_MADE]


@pytest.mark.parametrize(
    "address",
    [
        "totp/activate/", "totp/deactivate/", "recovery-codes/", "recovery-codes/generate/",
        "recovery-codes/download/", "webauthn/add/",
    ],
)  # fmt: skip
def test_pages_that_change_a_factor_ask_who_it_is_after_ten_minutes(cast: Cast, address: str) -> None:
    client = signed_in(cast.reader)
    if address != "totp/activate/":
        set_up(cast.reader)
    assert client.get(f"/accounts/2fa/{address}").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        answer = client.get(f"/accounts/2fa/{address}")
        assert answer["Location"].startswith("/accounts/reauthenticate/?next=")
        page = client.get(answer["Location"])
        assert "Is it you?" in page.text


def test_who_it_is_can_be_proved_by_a_code(cast: Cast) -> None:
    client = signed_in(cast.reader)
    set_up(cast.reader)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        page = client.get("/accounts/reauthenticate/?next=/accounts/2fa/recovery-codes/")
        assert 'href="/accounts/2fa/reauthenticate/?next=%2Faccounts%2F2fa%2Frecovery-codes%2F"' in page.text
        where = "/accounts/2fa/reauthenticate/?next=/accounts/2fa/recovery-codes/"
        assert client.post(where, {"code": wrong_code()}).status_code == 422
        assert client.post(where, {"code": code()})["Location"] == "/accounts/2fa/recovery-codes/"
        assert client.get("/accounts/2fa/recovery-codes/").status_code == 200


def test_recovery_codes_are_not_kept_by_the_browser_or_the_trail(cast: Cast) -> None:
    client = signed_in(cast.reader)
    codes = set_up(cast.reader)
    answer = client.get("/accounts/2fa/recovery-codes/")
    assert all(each in answer.text for each in codes)
    assert "private" in answer["Cache-Control"]
    kept = " ".join(str(line.changes) for line in AuditEvent.objects.all())
    assert not any(each in kept for each in codes)


# --- passkeys, as far as forms go; the browser test does the rest

JUNK = [
    "",
    "null",
    "[]",
    "{}",
    '"text"',
    "{",
    json.dumps({"id": "x", "rawId": "x", "type": "public-key", "response": {}}),
]


@pytest.mark.parametrize("credential", JUNK)
@pytest.mark.parametrize("address", ["webauthn/add/", "webauthn/reauthenticate/", "webauthn/login/"])
def test_passkey_answer_of_nonsense_is_refused(cast: Cast, address: str, credential: str) -> None:
    client = Client() if "login" in address else signed_in(cast.reader)
    if "reauth" in address:
        Authenticator.objects.create(user=cast.reader, type="webauthn", data={"name": "x", "credential": {}})
        client.get("/accounts/2fa/")
    before = Authenticator.objects.count()
    answer = client.post(f"/accounts/2fa/{address}", {"credential": credential, "name": "x"})
    assert answer.status_code in (302, 422)
    assert Authenticator.objects.count() == before
    assert is_in(client) == ("login" not in address)


def test_passkey_of_somebody_else_can_be_neither_renamed_nor_removed(cast: Cast) -> None:
    key = Authenticator.objects.create(
        user=cast.manager, type="webauthn", data={"name": "k", "credential": {}}
    )
    client = signed_in(cast.reader)
    for act in ("edit", "remove"):
        address = f"/accounts/2fa/webauthn/keys/{key.pk}/{act}/"
        assert client.get(address).status_code == 404
        assert client.post(address, {"name": "mine"}).status_code == 404
    assert Authenticator.objects.get().data["name"] == "k"


def test_options_of_a_passkey_say_whom_it_is_for(cast: Cast) -> None:
    page = signed_in(cast.reader).get("/accounts/2fa/webauthn/add/").text
    options = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])  # type: ignore[index]
    assert options["publicKey"]["rp"] == {"id": "testserver", "name": "RiskReg"}
    assert options["publicKey"]["user"]["name"] == cast.reader.email


# --- the team that demands one


@pytest.fixture
def strict(cast: Cast) -> Cast:
    Team.objects.filter(pk=cast.team.pk).update(requires_second_factor=True)
    return cast


PAGES = [
    "/t/acme/",
    "/t/acme/risks/?q=a",
    "/t/acme/matrix/",
    "/t/acme/risks/export.csv",
    "/t/acme/registers/new/",
]


@pytest.mark.parametrize("page", PAGES)
def test_member_without_a_factor_is_led_to_its_set_up_and_back(strict: Cast, page: str) -> None:
    client = signed_in(strict.reader)
    assert client.get(page)["Location"] == "/me/security/second-factor/"
    why = client.get("/me/security/second-factor/").text
    assert "Demo team lets nobody in with a password alone" in why
    assert 'href="/accounts/2fa/totp/activate/"' in why
    set_up(strict.reader)
    assert (
        'href="/me/security/second-factor/">Go on to the page you wanted' in client.get("/accounts/2fa/").text
    )
    assert client.get("/me/security/second-factor/")["Location"] == page
    assert client.get("/me/security/second-factor/")["Location"] == "/"
    assert client.get(page).status_code in (200, 403)


def test_member_with_a_factor_is_let_in(strict: Cast) -> None:
    set_up(strict.reader)
    assert strict.client_for(strict.reader).get("/t/acme/").status_code == 200


def test_recovery_codes_alone_are_no_factor(strict: Cast) -> None:
    RecoveryCodes.activate(strict.reader)
    assert strict.client_for(strict.reader).get("/t/acme/").status_code == 302


def test_post_of_a_member_without_a_factor_does_nothing(strict: Cast) -> None:
    client = strict.client_for(strict.administrator)
    answer = client.post("/t/acme/registers/new/", {"name_en": "x", "key": "NEW"})
    assert answer["Location"] == "/me/security/second-factor/"
    assert client.session["wanted"] == "/t/acme/"


def test_htmx_is_led_there_by_its_header(strict: Cast, htmx_headers: Any) -> None:
    headers = htmx_headers("risk-table") | {"HX-Current-URL": "http://testserver/t/acme/risks/?page=2"}
    client = strict.client_for(strict.reader)
    answer = client.get("/t/acme/risks/", headers=headers)
    assert (answer.status_code, answer["HX-Redirect"]) == (200, "/me/security/second-factor/")
    assert client.session["wanted"] == "/t/acme/risks/?page=2"


@pytest.mark.parametrize("page", ["/me/inbox/", "/me/inbox/?show=unread", "/me/data/"])
def test_pages_about_all_teams_demand_it_too(strict: Cast, page: str) -> None:
    client = strict.client_for(strict.reader)
    assert client.get(page)["Location"] == "/me/security/second-factor/"
    assert client.session["wanted"] == page
    set_up(strict.reader)
    assert client.get(page).status_code == 200
    assert strict.client_for(strict.outsider).get(page).status_code == 200


@pytest.mark.parametrize("page", ["/me/data/", "/me/inbox/read/"])
def test_posts_about_all_teams_demand_it_too(strict: Cast, page: str) -> None:
    answer = strict.client_for(strict.reader).post(page)
    assert (answer.status_code, answer["Location"]) == (302, "/me/security/second-factor/")
    assert not AuditEvent.objects.filter(verb=Verb.EXPORTED).exists()


@pytest.mark.parametrize("page", ["/admin/", "/admin/risks/risk/", "/admin/jsi18n/"])
def test_admin_site_demands_it_if_any_team_does(strict: Cast, page: str) -> None:
    """It shows all teams, so it does not matter whose member one is."""
    root = User.objects.create_superuser("root@acme.example")
    client = strict.client_for(root)
    assert client.get(page)["Location"] == "/me/security/second-factor/"
    assert "Demo team lets nobody in with a password alone" in client.get("/me/security/second-factor/").text
    set_up(root)
    assert client.get("/me/security/second-factor/")["Location"] == page
    assert client.get(page).status_code == 200


def test_admin_site_demands_nothing_where_no_team_does(cast: Cast) -> None:
    root = User.objects.create_superuser("root@acme.example")
    assert cast.client_for(root).get("/admin/").status_code == 200


def test_stranger_to_the_team_still_finds_nothing(strict: Cast) -> None:
    assert strict.client_for(strict.outsider).get("/t/acme/").status_code == 404


def test_teams_that_demand_none_pay_no_query_for_it(cast: Cast, count_queries: Any) -> None:
    client = cast.client_for(cast.reader)
    client.get("/t/acme/registers/")
    usual = count_queries(lambda: client.get("/t/acme/registers/"))
    set_up(cast.reader)
    Team.objects.filter(pk=cast.team.pk).update(requires_second_factor=True)
    assert count_queries(lambda: client.get("/t/acme/registers/")) == usual + 1

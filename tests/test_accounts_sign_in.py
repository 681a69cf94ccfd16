"""Signing in and out: what a stranger can learn, where it leads, what the trail keeps."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import get_resolver

from risks.enums import Origin, Verb
from risks.models import AuditEvent, Membership, Team, User
from risks.rules import Actor
from risks.services.membership import add_member, deactivate
from risks.services.team import create_team
from tests.cast import PASSWORD, Cast

LOGIN = "/accounts/login/"
UNKNOWN = "stranger@acme.example"
EVIL = [
    "//evil.example",
    "///evil.example",
    "https:evil.example",
    "https:///evil.example",
    "https://evil.example/",
    "\\\\evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "http://testserver.evil.example/",
    "//testserver@evil.example",
    " //evil.example",
    "\x08//evil.example",
]


def sign_in(client: Client, user: User | str, password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"login": getattr(user, "email", user), "password": password, **more})


def lines(**wanted: Any) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(object_type="user", **wanted).order_by("pk"))


def counted_hashes() -> Any:
    real = MD5PasswordHasher.encode
    return patch.object(MD5PasswordHasher, "encode", autospec=True, side_effect=real)


def without(text: str, *parts: str) -> str:
    """The page without what is different on each."""
    for part in parts:
        text = text.replace(part, "")
    return "\n".join(line for line in text.splitlines() if "csrf" not in line.lower())


# --- what a stranger can learn


def test_wrong_password_and_unknown_address_get_the_same_answer(cast: Cast) -> None:
    known, unknown = sign_in(Client(), cast.reader, "wrong"), sign_in(Client(), UNKNOWN, "wrong")
    assert (known.status_code, unknown.status_code) == (422, 422)
    assert without(known.text, cast.reader.email) == without(unknown.text, UNKNOWN)
    assert "The address or the password is not right." in known.text


@pytest.mark.parametrize("case", ["known", "unknown", "switched off", "without a password", "other case"])
def test_refused_sign_in_hashes_once_whoever_it_is(cast: Cast, case: str) -> None:
    address = {"unknown": UNKNOWN, "other case": cast.reader.email.upper()}.get(case, cast.reader.email)
    if case == "switched off":
        User.objects.filter(pk=cast.reader.pk).update(is_active=False)
    if case == "without a password":
        cast.reader.set_unusable_password()
        cast.reader.save()
    with patch.object(
        MD5PasswordHasher, "encode", autospec=True, side_effect=MD5PasswordHasher.encode
    ) as work:
        assert sign_in(Client(), address, "wrong").status_code == 422
    assert work.call_count == 1


def test_refused_sign_in_makes_as_many_queries_whoever_it_is(cast: Cast, count_queries: Any) -> None:
    """Both look the address up twice, for the person and for the trail; only one finds somebody."""
    counts = [
        count_queries(lambda address=address: sign_in(Client(), address, "wrong"))
        for address in (cast.reader.email, UNKNOWN)
    ]
    assert counts[0] == counts[1]


def test_reset_of_an_unknown_address_gets_the_same_answer_and_a_mail_too(cast: Cast) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": address}, follow=True)
        for address in (cast.reader.email, UNKNOWN)
    ]
    assert without(answers[0].text) == without(answers[1].text)
    assert [a.redirect_chain for a in answers] == [[("/accounts/password/reset/done/", 302)]] * 2
    assert [message.to for message in mail.outbox] == [[cast.reader.email], [UNKNOWN]]
    assert "/accounts/password/reset/key/" in mail.outbox[0].body
    assert "/accounts/password/reset/key/" not in mail.outbox[1].body


@override_settings(OPEN_SIGNUP=True, ACCOUNT_EMAIL_VERIFICATION="mandatory")
def test_sign_up_with_a_known_address_gets_the_same_answer_for_the_same_work(cast: Cast) -> None:
    answers, work = [], []
    for address in (cast.reader.email, UNKNOWN):
        values = {"name": "Robin", "email": address, "password1": "a very good secret"}
        with counted_hashes() as hashed:
            answers.append(Client().post("/accounts/signup/", values, follow=True))
        work.append(hashed.call_count)
    assert without(answers[0].text, cast.reader.email) == without(answers[1].text, UNKNOWN)
    assert work[0] == work[1] == 1
    assert [message.subject for message in mail.outbox] == [
        "You have an account already",
        "Confirm your address",
    ]
    assert User.objects.filter(email=UNKNOWN).count() == 1


def test_sign_up_is_closed_unless_a_setting_opens_it(cast: Cast, client: Client) -> None:
    values = {"name": "Robin", "email": UNKNOWN, "password1": "a very good secret"}
    for answer in (client.get("/accounts/signup/"), client.post("/accounts/signup/", values)):
        assert "Accounts are made by invitation." in answer.text
    assert not User.objects.filter(email=UNKNOWN).exists()


@override_settings(OPEN_SIGNUP=True, ACCOUNT_EMAIL_VERIFICATION="mandatory")
def test_open_sign_up_lets_in_only_with_a_confirmed_address(db: None, client: Client) -> None:
    client.post(
        "/accounts/signup/", {"name": "Robin Li", "email": UNKNOWN, "password1": "a very good secret"}
    )
    user = User.objects.get()
    assert (user.name, user.email) == ("Robin Li", UNKNOWN)
    other = Client()
    assert sign_in(other, UNKNOWN, "a very good secret")["Location"] == "/accounts/confirm-email/"
    assert "_auth_user_id" not in other.session
    link = next(line for line in mail.outbox[0].body.splitlines() if line.startswith("http"))
    other.post(link)
    assert sign_in(Client(), UNKNOWN, "a very good secret")["Location"] == "/"


@override_settings(OPEN_SIGNUP=True, ACCOUNT_EMAIL_VERIFICATION="mandatory")
def test_accounts_made_by_hand_sign_in_without_confirming(cast: Cast) -> None:
    assert sign_in(Client(), cast.reader)["Location"] == "/"


def test_switched_off_account_is_told_so_only_with_the_right_password(cast: Cast, client: Client) -> None:
    User.objects.filter(pk=cast.reader.pk).update(is_active=False)
    answer = sign_in(client, cast.reader)
    assert answer["Location"] == "/accounts/inactive/"
    assert "This account is switched off" in client.get(answer["Location"]).text
    assert "_auth_user_id" not in client.session


# --- where it leads


@pytest.mark.parametrize("target", EVIL)
@pytest.mark.parametrize("way", ["query", "form"])
def test_sign_in_leads_nowhere_else(cast: Cast, target: str, way: str) -> None:
    values = {"login": cast.reader.email, "password": PASSWORD}
    if way == "form":
        answer = Client().post(LOGIN, values | {"next": target})
    else:
        answer = Client().post(LOGIN, values, query_params={"next": target})
    assert answer["Location"] == "/"


@pytest.mark.parametrize("target", EVIL)
def test_sign_out_leads_nowhere_else(cast: Cast, target: str) -> None:
    client = Client()
    client.force_login(cast.reader)
    assert client.post("/accounts/logout/", {"next": target})["Location"] == LOGIN


def test_sign_in_leads_back_to_the_page_that_was_wanted(cast: Cast) -> None:
    client = Client()
    page_wanted = "/t/acme/risks/?q=a&page=2"
    wanted = client.get(page_wanted)["Location"]
    assert wanted == "/accounts/login/?next=/t/acme/risks/%3Fq%3Da%26page%3D2"
    page = client.get(wanted)
    assert '<input type="hidden" name="next" value="/t/acme/risks/?q=a&amp;page=2">' in page.text
    assert (
        sign_in(client, cast.reader, next="/t/acme/risks/?q=a&page=2")["Location"]
        == "/t/acme/risks/?q=a&page=2"
    )


# --- sessions and forms


def test_sign_in_changes_the_key_of_the_session(cast: Cast, client: Client) -> None:
    """Who planted a session key in somebody's browser has nothing of it."""
    client.post("/me/preferences/", {"language": "en"})
    client.get("/accounts/oidc/none/login/")
    session = client.session
    session["planted"] = "1"
    session.save()
    client.cookies["sessionid"] = planted = session.session_key
    sign_in(client, cast.reader)
    assert client.session.session_key != planted
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert thief.get("/t/acme/").status_code == 302


def test_sign_in_as_somebody_else_keeps_nothing_of_the_session(cast: Cast, client: Client) -> None:
    sign_in(client, cast.reader)
    session = client.session
    session["private"] = "of the reader"
    session.save()
    client.force_login(cast.manager)
    assert "private" not in client.session


def addresses() -> list[str]:
    """Every address of allauth's and ours that takes no argument or one we can give."""
    given = {"pk": 1, "provider_id": "sso", "key": "abc", "uidb36": "1"}
    found = []
    for name in get_resolver().reverse_dict:
        if isinstance(name, str) and name.startswith(("account_", "mfa_", "socialaccount_", "openid_")):
            template, arguments = get_resolver().reverse_dict.getlist(name)[0][0][0]
            found.append("/" + template % {argument: given[argument] for argument in arguments})
    return [*sorted(found), "/me/security/sessions/", "/accounts/demo/", "/setup/"]


def test_every_address_of_accounts_is_tried_for_csrf() -> None:
    assert len(addresses()) > 30


@pytest.mark.parametrize("address", addresses())
def test_post_without_a_token_is_refused(cast: Cast, address: str) -> None:
    for signed_in in (False, True):
        client = Client(enforce_csrf_checks=True)
        if signed_in:
            client.force_login(cast.reader)
        assert client.post(address, {"next": "/"}).status_code == 403


# --- the trail


def test_sign_in_and_out_are_told_in_every_team_of_the_person(cast: Cast, client: Client) -> None:
    second = create_team({"slug": "second", "name_en": "Second"}, administrator=cast.outsider).team
    add_member(second, cast.reader, "manager", by=Actor.system(second.pk))
    left = create_team({"slug": "left", "name_en": "Left"}, administrator=cast.outsider).team
    gone = add_member(left, cast.reader, "manager", by=Actor.system(left.pk))
    deactivate(gone, by=Actor.system(left.pk))
    sign_in(client, cast.reader)
    client.post("/accounts/logout/")
    teams = {cast.team.pk, second.pk}
    for verb in (Verb.SIGNED_IN, Verb.SIGNED_OUT):
        told = lines(verb=verb)
        assert {line.team_id for line in told} == teams
        assert {(line.actor, line.subject, line.object_id) for line in told} == {
            (cast.reader, cast.reader, cast.reader.pk)
        }
        assert {(line.origin, line.object_label, line.reason) for line in told} == {(Origin.PERSON, "", "")}


def test_sign_in_of_somebody_without_a_team_is_the_installations_line(db: None, client: Client) -> None:
    user = User.objects.create_user("alone@acme.example", PASSWORD)
    sign_in(client, user)
    assert [(line.verb, line.team, line.actor) for line in lines()] == [(Verb.SIGNED_IN, None, user)]


def test_failed_sign_in_is_told_by_nobody_about_the_person(cast: Cast, client: Client) -> None:
    sign_in(client, cast.reader.email.upper(), "wrong")
    (line,) = lines()
    assert (line.verb, line.team, line.actor, line.subject) == (
        Verb.SIGN_IN_FAILED, cast.team, None, cast.reader,
    )  # fmt: skip


def test_failed_sign_in_of_an_unknown_address_keeps_nothing_of_it(cast: Cast, client: Client) -> None:
    sign_in(client, UNKNOWN, "a secret typed into the wrong place")
    (line,) = lines()
    assert (line.team, line.actor, line.subject, line.object_id) == (None, None, None, None)
    assert (line.object_label, line.reason, line.changes) == ("", "", {})


def test_lines_hold_no_address_password_or_place(cast: Cast, client: Client) -> None:
    sign_in(client, cast.reader, "wrong")
    sign_in(client, cast.reader)
    for line in lines():
        kept = f"{line.object_label} {line.reason} {line.changes}"
        assert not any(secret in kept for secret in (cast.reader.email, PASSWORD, "127.0.0.1", "Reader"))


def test_sign_in_writes_its_line_or_does_not_happen(cast: Cast, client: Client) -> None:
    """A failure half-way leaves neither a session nor a line."""
    with (
        patch("risks.services.accounts.build_event", side_effect=RuntimeError),
        pytest.raises(RuntimeError),
    ):
        sign_in(client, cast.reader)
    assert lines() == []


# --- limits


def test_sign_in_is_refused_after_five_failures_also_with_the_right_password(cast: Cast) -> None:
    for _attempt in range(5):
        assert "not right" in sign_in(Client(), cast.reader, "wrong").text
    answer = sign_in(Client(), cast.reader)
    assert answer.status_code == 422
    assert "Too many attempts that failed." in answer.text
    assert sign_in(Client(), cast.manager)["Location"] == "/"


def test_unknown_address_is_limited_like_a_known_one(db: None) -> None:
    texts = [sign_in(Client(), UNKNOWN, "wrong").text for _attempt in range(6)]
    assert ["Too many attempts that failed." in text for text in texts] == [False] * 5 + [True]


def test_successes_between_failures_do_not_lift_the_limit(cast: Cast) -> None:
    for _attempt in range(5):
        sign_in(Client(), cast.reader, "wrong")
        sign_in(Client(), cast.manager)
    assert "Too many attempts that failed." in sign_in(Client(), cast.reader, "wrong").text


def test_reset_mails_are_limited_for_each_address(cast: Cast) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": cast.reader.email}) for _attempt in range(6)
    ]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429]
    assert len(mail.outbox) == 5


def test_too_many_pages_of_one_kind_answer_with_a_sentence(cast: Cast) -> None:
    client = Client()
    statuses = [sign_in(client, f"nobody{n}@acme.example", "wrong").status_code for n in range(31)]
    assert statuses[-1] == 429
    assert "Too many attempts" in sign_in(client, UNKNOWN, "wrong").text


def client_ip(**headers: str) -> str:
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")
    with context.request_context(request):
        return str(get_adapter().get_client_ip(request))


@pytest.mark.parametrize("claimed", ["203.0.113.9", "203.0.113.9, 198.51.100.7", "nonsense"])
def test_client_address_that_a_stranger_claims_is_not_believed(claimed: str) -> None:
    assert client_ip(x_forwarded_for=claimed) == "192.0.2.1"


@override_settings(ALLAUTH_TRUSTED_PROXY_COUNT=1)
def test_client_address_behind_a_proxy_is_what_the_proxy_added() -> None:
    assert client_ip(x_forwarded_for="203.0.113.9, 198.51.100.7") == "198.51.100.7"
    assert client_ip() == "192.0.2.1"


def test_pages_of_a_team_ask_the_cache_nothing(cast: Cast) -> None:
    client = cast.client_for(cast.reader)
    with CaptureQueriesContext(connection) as queries:
        client.get("/t/acme/risks/")
    assert [query["sql"] for query in queries if "risks_cache" in query["sql"]] == []
    assert [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT"))] == []


def test_demonstration_role_is_still_one_click(db: None, client: Client) -> None:
    user = User.objects.create_user("manager@demo.example", "x")
    team = Team.objects.create(slug="demo", name_en="Demo")
    add_member(team, user, "manager", by=Actor.system(team.pk))
    with override_settings(DEMO=True):
        client.post("/accounts/demo/", {"role": "manager"})
        assert client.get("/t/demo/risks/").status_code == 200
        assert client.get("/accounts/2fa/totp/activate/").status_code == 200  # the click counts as a proof
    assert Membership.objects.get().user == user

"""Single sign-on: whom the issuer's word lets in, as whom, and what groups give and take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core import mail
from django.test import Client

from risks.enums import Origin, Role, Secured, Verb
from risks.models import AuditEvent, Membership, User
from risks.rules import Actor
from risks.services.accounts import follow_groups
from risks.services.membership import add_member, change_role, deactivate, leave, reactivate
from tests.cast import PASSWORD, Cast
from tests.issuer import Issuer, running_issuer

LOGIN = "/accounts/oidc/sso/login/"
ROLES = (
    ("acme", "admins", "administrator"),
    ("acme", "risk people", "manager"),
    ("acme", "staff", "contributor"),
    ("nowhere", "staff", "manager"),
)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer(ROLES) as running:
        yield running


def start(client: Client, issuer: Issuer, process: str = "login", **more: str) -> dict[str, list[str]]:
    """The button; returns what the issuer is asked."""
    page = client.post(LOGIN, query_params={"process": process, **more})
    assert page.status_code == 200
    address = unescape(re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.text)[1])  # type: ignore[index]
    assert address.startswith(f"{issuer.address}/authorization?")
    asked = parse_qs(urlsplit(address).query)
    issuer.challenge = asked["code_challenge"][0]
    return asked


def come_back(client: Client, asked: dict[str, list[str]], **answer: str) -> Any:
    params = {"state": asked["state"][0], "code": "code"} | answer
    return client.get(LOGIN + "callback/", query_params=params)


def sign_on(client: Client, issuer: Issuer, **more: str) -> Any:
    return come_back(client, start(client, issuer, **more))


def who(client: Client) -> User | None:
    return User.objects.filter(pk=client.session.get("_auth_user_id", 0)).first()


# --- who


def test_new_person_with_a_confirmed_address_gets_an_account(cast: Cast, issuer: Issuer) -> None:
    client = Client()
    answer = sign_on(client, issuer, next="/t/acme/matrix/")
    user = User.objects.get(email="sso@acme.example")
    assert (answer["Location"], who(client), user.name) == ("/t/acme/matrix/", user, "Sso Li")
    assert not user.has_usable_password()
    rows = EmailAddress.objects.filter(user=user).values_list("email", "verified", "primary")
    assert list(rows) == [("sso@acme.example", True, True)]
    assert AuditEvent.objects.get(verb=Verb.SIGNED_IN).actor == user


@pytest.mark.parametrize("confirmed", [False, None, "false", "no", 0])
def test_new_person_without_a_confirmed_address_is_refused(
    cast: Cast, issuer: Issuer, confirmed: Any
) -> None:
    issuer.person(email_verified=confirmed)
    client = Client()
    answer = sign_on(client, issuer)
    assert "has not confirmed your e-mail address" in client.get(answer["Location"]).text
    assert who(client) is None
    assert not User.objects.filter(email="sso@acme.example").exists()


def test_known_address_that_is_not_confirmed_opens_no_account(cast: Cast, issuer: Issuer) -> None:
    """Or anybody could claim the address of an administrator."""
    issuer.person(email=cast.administrator.email, email_verified="false")
    client = Client()
    sign_on(client, issuer)
    assert who(client) is None
    assert not SocialAccount.objects.exists()


def test_account_with_the_confirmed_address_is_connected(cast: Cast, issuer: Issuer) -> None:
    issuer.person(email=cast.reader.email.upper())
    client = Client()
    sign_on(client, issuer)
    assert who(client) == cast.reader
    assert SocialAccount.objects.get().user == cast.reader
    cast.reader.refresh_from_db()
    assert cast.reader.check_password(PASSWORD)  # made by hand, so the address counts as proved here too
    assert [line.changes["step"][1] for line in AuditEvent.objects.filter(verb=Verb.SECURED)] == [
        Secured.PROVIDER_ADDED
    ]
    assert mail.outbox[0].subject == "Single sign-on was connected"


def test_connected_person_is_known_by_the_issuers_number_not_by_the_address(
    cast: Cast, issuer: Issuer
) -> None:
    issuer.person(email=cast.reader.email)
    sign_on(Client(), issuer)
    issuer.person(email=cast.administrator.email, email_verified=False)
    client = Client()
    sign_on(client, issuer)
    assert who(client) == cast.reader


def test_switched_off_account_is_not_let_in(cast: Cast, issuer: Issuer) -> None:
    User.objects.filter(pk=cast.reader.pk).update(is_active=False)
    issuer.person(email=cast.reader.email)
    client = Client()
    assert sign_on(client, issuer)["Location"] == "/accounts/inactive/"
    assert who(client) is None


def test_second_factor_is_asked_after_single_sign_on_too(cast: Cast, issuer: Issuer) -> None:
    TOTP.activate(cast.reader, generate_totp_secret())
    issuer.person(email=cast.reader.email, groups=["admins"])
    client = Client()
    assert sign_on(client, issuer)["Location"] == "/accounts/2fa/authenticate/"
    assert who(client) is None
    assert Membership.objects.get(user=cast.reader).role == Role.READER  # groups count once somebody is in


def test_only_what_is_needed_of_the_claims_is_kept(cast: Cast, issuer: Issuer) -> None:
    issuer.person(groups=["staff"], phone_number="+86 1", picture="https://acme.example/p.png", iban="x")
    sign_on(Client(), issuer)
    kept = SocialAccount.objects.get().extra_data["userinfo"]
    assert set(kept) == {"sub", "email", "email_verified", "name", "groups"}
    assert not SocialToken.objects.exists()


# --- what goes wrong


@pytest.mark.parametrize(
    "flaw",
    ["issuer", "audience", "somebody else", "no token", "state", "code", "discovery", "token", "userinfo"],
)
def test_answer_that_is_not_right_lets_nobody_in(cast: Cast, issuer: Issuer, flaw: str) -> None:
    client = Client()
    asked = start(client, issuer)
    answer = {}
    if flaw == "issuer":
        issuer.issuer = "https://evil.example"
    elif flaw == "audience":
        issuer.audience = "another client"
    elif flaw == "somebody else":
        issuer.info = issuer.info | {"sub": "7", "email": cast.administrator.email}
    elif flaw == "no token":
        issuer.token = lambda: ""  # type: ignore[method-assign]
    elif flaw in ("state", "code"):
        answer = {flaw: "guessed"}
    else:
        paths = {"discovery": "/.well-known/openid-configuration", "token": "/token", "userinfo": "/userinfo"}
        issuer.fail_at = paths[flaw]
    page = come_back(client, asked, **answer)
    assert page.status_code == 401
    assert "Single sign-on did not work" in page.text
    assert who(client) is None


def test_state_counts_once(cast: Cast, issuer: Issuer) -> None:
    client = Client()
    asked = start(client, issuer)
    come_back(client, asked)
    assert come_back(client, asked).status_code == 401


def test_answer_meant_for_another_browser_lets_nobody_in(cast: Cast, issuer: Issuer) -> None:
    client = Client()
    assert come_back(client, start(Client(), issuer)).status_code == 401
    assert who(client) is None


def test_issuer_that_is_away_gives_a_sentence(cast: Cast, issuer: Issuer) -> None:
    issuer.fail_at = "/.well-known/openid-configuration"
    page = Client().post(LOGIN)
    assert (page.status_code, "could not be reached" in page.text) == (401, True)


def test_breaking_off_at_the_issuer_changes_nothing(cast: Cast, issuer: Issuer) -> None:
    client = Client()
    answer = come_back(client, start(client, issuer), error="access_denied")
    assert "You broke off" in client.get(answer["Location"]).text


@pytest.mark.parametrize("address", [LOGIN, LOGIN + "callback/", "/accounts/oidc/other/login/"])
def test_without_settings_there_is_no_single_sign_on(cast: Cast, address: str) -> None:
    client = Client()
    assert client.get(address).status_code == 404
    assert client.post(address).status_code == 404
    assert "oidc" not in client.get("/accounts/login/").text


def test_address_typed_by_hand_asks_before_it_leads_away(cast: Cast, issuer: Issuer) -> None:
    page = Client().get(LOGIN)
    assert "Sign in by Acme sign-on" in page.text
    assert issuer.requests == []


def test_sign_in_page_offers_it(cast: Cast, issuer: Issuer) -> None:
    page = Client().get("/accounts/login/?next=/t/acme/risks/")
    assert 'action="/accounts/oidc/sso/login/?process=login&amp;next=%2Ft%2Facme%2Frisks%2F"' in page.text
    assert "Acme sign-on" in page.text


@pytest.mark.parametrize("target", ["//evil.example", "https:evil.example", "\\\\evil.example"])
def test_single_sign_on_leads_nowhere_else(cast: Cast, issuer: Issuer, target: str) -> None:
    assert sign_on(Client(), issuer, next=target)["Location"] == "/"


# --- connecting and disconnecting


def test_account_can_be_connected_and_disconnected(cast: Cast, issuer: Issuer) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": cast.reader.email, "password": PASSWORD})
    assert sign_on(client, issuer, process="connect")["Location"] == "/accounts/3rdparty/"
    account = SocialAccount.objects.get()
    assert account.user == cast.reader
    assert "sso@acme.example" in client.get("/accounts/3rdparty/").text
    assert "Connected" in client.get("/me/security/").text
    client.post("/accounts/3rdparty/", {"account": account.pk})
    assert not SocialAccount.objects.exists()
    steps = [line.changes["step"][1] for line in AuditEvent.objects.filter(verb=Verb.SECURED).order_by("pk")]
    assert steps == [Secured.PROVIDER_ADDED, Secured.PROVIDER_REMOVED]


def test_last_way_in_cannot_be_disconnected(cast: Cast, issuer: Issuer) -> None:
    client = Client()
    sign_on(client, issuer)
    page = client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert page.status_code == 422
    assert SocialAccount.objects.exists()


def test_account_of_somebody_else_cannot_be_disconnected(cast: Cast, issuer: Issuer) -> None:
    sign_on(Client(), issuer)
    client = Client()
    client.post("/accounts/login/", {"login": cast.reader.email, "password": PASSWORD})
    assert client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk}).status_code == 422
    assert SocialAccount.objects.exists()


# --- groups


def membership(user: User) -> tuple[str, bool, bool] | None:
    return (
        Membership.objects.filter(user=user, team__slug="acme")
        .values_list("role", "is_active", "by_group")
        .first()
    )


def told(user: User) -> list[tuple[str, User | None, Any]]:
    lines = AuditEvent.objects.filter(subject=user, object_type="membership", origin=Origin.SIGN_ON)
    return [(line.verb, line.actor, line.changes.get("role")) for line in lines.order_by("pk")]


def test_groups_give_the_highest_role_and_take_it_back(cast: Cast, issuer: Issuer) -> None:
    for groups, expected in (
        (["staff", "risk people", "football"], (Role.MANAGER, True, True)),
        (["staff"], (Role.CONTRIBUTOR, True, True)),
        ([], (Role.CONTRIBUTOR, False, True)),
        ("staff", (Role.CONTRIBUTOR, True, True)),
    ):
        issuer.person(groups=groups)
        sign_on(Client(), issuer)
        user = User.objects.get(email="sso@acme.example")
        assert membership(user) == expected
    assert told(user) == [
        (Verb.JOINED, None, [None, "manager"]),
        (Verb.CHANGED, None, ["manager", "contributor"]),
        (Verb.LEFT, None, ["contributor", None]),
        (Verb.JOINED, None, [None, "contributor"]),
    ]
    assert [row.role for row in Membership.history.filter(user=user).order_by("history_date")] == [
        "manager", "contributor", "contributor", "contributor",
    ]  # fmt: skip


@pytest.mark.parametrize("groups", [["risk people"], ["staff"], []])
def test_membership_given_by_hand_stays(cast: Cast, issuer: Issuer, groups: list[str]) -> None:
    user = User.objects.create_user("by.hand@acme.example")
    add_member(cast.team, user, "contributor", by=Actor.system(cast.team.pk))
    issuer.person(email=user.email, groups=groups)
    sign_on(Client(), issuer)
    assert membership(user) == (Role.CONTRIBUTOR, True, False)


def test_membership_changed_or_ended_by_hand_stays_so(cast: Cast, issuer: Issuer) -> None:
    issuer.person(groups=["risk people"])
    sign_on(Client(), issuer)
    user = User.objects.get(email="sso@acme.example")
    by = cast.actor(cast.administrator)
    for act, expected in (
        (lambda row: change_role(row, "reader", by=by), (Role.READER, True, False)),
        (lambda row: deactivate(row, by=by), (Role.READER, False, False)),
        (lambda row: reactivate(row, by=by, role="contributor"), (Role.CONTRIBUTOR, True, False)),
    ):
        act(user.memberships.get())
        sign_on(Client(), issuer)
        assert membership(user) == expected


def test_who_left_by_themselves_is_not_brought_back(cast: Cast, issuer: Issuer) -> None:
    issuer.person(groups=["staff"])
    sign_on(Client(), issuer)
    user = User.objects.get(email="sso@acme.example")
    leave(user.memberships.get(), by=cast.actor(user))
    sign_on(Client(), issuer)
    assert membership(user) == (Role.CONTRIBUTOR, False, False)


def test_members_page_marks_who_came_by_single_sign_on(cast: Cast, issuer: Issuer) -> None:
    page, mark = "/t/acme/settings/members/", ">by single sign-on</span>"
    assert mark not in cast.client_for(cast.administrator).get(page).text
    issuer.person(groups=["staff"])
    sign_on(Client(), issuer)
    shown = cast.client_for(cast.administrator).get(page).text
    assert (shown.count(mark), shown.count("it stays as you set it")) == (1, 1)


def test_last_active_administrator_stays_one(cast: Cast, issuer: Issuer) -> None:
    issuer.person(groups=["admins"])
    sign_on(Client(), issuer)
    user = User.objects.get(email="sso@acme.example")
    change_role(
        Membership.objects.get(team=cast.team, user=cast.administrator),
        "reader",
        by=Actor.system(cast.team.pk),
    )
    for groups in (["staff"], []):
        issuer.person(groups=groups)
        client = Client()
        sign_on(client, issuer)
        assert who(client) == user
        assert membership(user) == (Role.ADMINISTRATOR, True, True)


def test_claim_of_another_name_and_of_nonsense_gives_nothing(cast: Cast, issuer: Issuer) -> None:
    for number, groups in enumerate([{"staff": 1}, None, 7, [["staff"]], [None]]):
        issuer.person(sub=f"n{number}", email=f"n{number}@acme.example", groups=groups)
        sign_on(Client(), issuer)
        assert membership(User.objects.get(email=f"n{number}@acme.example")) is None
    issuer.person(roles=["staff"])
    sign_on(Client(), issuer)
    assert membership(User.objects.get(email="sso@acme.example")) is None


def test_groups_make_the_same_queries_whatever_else_there_is(
    cast: Cast, issuer: Issuer, count_queries: Any
) -> None:
    """Nothing to change: one query for the teams, one for the memberships."""
    follow_groups(cast.reader, ["staff"])
    assert count_queries(lambda: follow_groups(cast.reader, ["staff"])) == 4  # with the savepoint around

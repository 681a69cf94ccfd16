"""Ways in: home, sign-in, the demonstration's one click, first set-up, preferences and profile."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.test.utils import override_settings

from risks.enums import Role, Theme
from risks.models import Membership, Register, Team, User
from risks.services.demo import PASSWORD
from tests.cast import PASSWORD as CAST_PASSWORD
from tests.cast import Cast
from tests.rows import create

SETUP = {
    "code": "a-long-code",
    "name": "Robin Example",
    "email": "robin@acme.example",
    "password": "a very good secret",
    "team_name": "Acme",
    "team_slug": "",
    "register_name": "Product",
    "register_key": "PROD",
}


@pytest.fixture
def demo_user(db: None) -> User:
    user = User.objects.create_user("manager@demo.example", PASSWORD, name="M")
    team = Team.objects.create(slug="demo", name_en="Demo")
    create(Membership, team=team, user=user, role=Role.MANAGER)
    return user


def test_home_signed_out_leads_to_the_sign_in_page(cast: Cast, client: Client) -> None:
    assert client.get("/").headers["Location"] == "/accounts/login/"


def test_home_of_an_empty_installation_leads_to_set_up(db: None, client: Client) -> None:
    assert client.get("/").headers["Location"] == "/setup/"


def test_home_signed_in_leads_to_the_team(cast: Cast) -> None:
    assert cast.client_for(cast.reader).get("/").headers["Location"] == "/t/acme/"


def test_home_without_a_team_says_what_to_do(db: None, client: Client) -> None:
    client.force_login(User.objects.create_user("alone@acme.example", "x"))
    page = client.get("/")
    assert page.status_code == 200
    assert "You are not a member of a team yet" in page.text


def test_sign_in_with_the_right_password_leads_home(cast: Cast, client: Client) -> None:
    answer = client.post("/accounts/login/", {"login": cast.reader.email, "password": CAST_PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


@pytest.mark.ignore_template_errors
def test_sign_in_with_a_wrong_password_keeps_the_address(cast: Cast, client: Client) -> None:
    page = client.post("/accounts/login/", {"login": cast.reader.email, "password": "wrong"})
    assert f'value="{cast.reader.email}"' in page.text
    assert 'role="alert"' in page.text


def test_one_click_sign_in_in_demonstration_mode_signs_in(demo_user: User, client: Client) -> None:
    with override_settings(DEMO=True):
        answer = client.post("/accounts/demo/", {"role": "manager"})
        assert answer.headers["Location"] == "/"
        assert client.get("/").headers["Location"] == "/t/demo/"


@pytest.mark.parametrize("role", ["owner", "", "root@x"])
def test_one_click_sign_in_with_an_unknown_role_is_not_found(
    demo_user: User, client: Client, role: str
) -> None:
    with override_settings(DEMO=True):
        assert client.post("/accounts/demo/", {"role": role}).status_code == 404


def test_one_click_sign_in_outside_demonstration_mode_is_not_found(demo_user: User, client: Client) -> None:
    assert client.post("/accounts/demo/", {"role": "manager"}).status_code == 404


def test_demonstration_account_outside_demonstration_mode_is_refused(demo_user: User, client: Client) -> None:
    client.post("/accounts/login/", {"login": demo_user.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_session_of_a_demonstration_account_ends_with_the_demonstration(
    demo_user: User, client: Client
) -> None:
    with override_settings(DEMO=True):
        client.post("/accounts/demo/", {"role": "manager"})
    assert client.get("/t/demo/registers/").status_code == 302


@override_settings(SETUP_CODE="a-long-code")
def test_set_up_with_the_code_makes_account_team_and_register(db: None, client: Client) -> None:
    assert client.get("/setup/").status_code == 200
    answer = client.post("/setup/", SETUP)
    assert answer.headers["Location"] == "/t/acme/"
    membership = Membership.objects.get()
    assert (membership.user.email, membership.role) == ("robin@acme.example", Role.ADMINISTRATOR)
    assert membership.user.is_superuser
    register = Register.objects.get()
    assert (register.key, register.name_en, register.matrix.key) == ("PROD", "Product", "log-5x5")


@override_settings(SETUP_CODE="a-long-code")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code": "guess"}, "This is not the code that the console printed"),
        ({"password": "12345678901"}, "This password is"),
        ({"register_key": "prod 1"}, "Use 2 to 10 capital letters or digits"),
        ({"email": "nobody"}, "Enter a valid email address"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_set_up_with_bad_input_is_refused_and_keeps_what_was_typed(
    db: None, client: Client, change: dict[str, str], message: str
) -> None:
    page = client.post("/setup/", SETUP | change)
    assert page.status_code == 422
    assert message in page.text
    assert 'value="Acme"' in page.text
    assert not User.objects.exists()


@override_settings(SETUP_CODE="a-long-code")
def test_set_up_ends_after_twenty_guesses(db: None, client: Client) -> None:
    guesses = [client.post("/setup/", SETUP | {"code": f"{number}"}).status_code for number in range(20)]
    assert guesses == [422] * 20
    assert client.post("/setup/", SETUP).status_code == 429
    assert client.get("/setup/").status_code == 200
    assert not User.objects.exists()


@override_settings(SETUP_CODE="")
def test_set_up_without_a_code_in_the_settings_is_refused(db: None, client: Client) -> None:
    assert client.post("/setup/", SETUP | {"code": "anything"}).status_code == 422
    assert not User.objects.exists()


@override_settings(SETUP_CODE="a-long-code")
def test_set_up_of_an_installation_in_use_is_not_found(cast: Cast, client: Client) -> None:
    assert client.get("/setup/").status_code == 404
    assert client.post("/setup/", SETUP).status_code == 404


def test_preferences_are_kept_with_the_person(cast: Cast) -> None:
    client = cast.client_for(cast.reader)
    answer = client.post(
        "/me/preferences/", {"language": "zh-hans", "theme": "dark", "next": "/t/acme/registers/"}
    )
    assert answer.headers["Location"] == "/t/acme/registers/"
    cast.reader.refresh_from_db()
    assert (cast.reader.language, cast.reader.theme) == ("zh-hans", Theme.DARK)
    page = client.get("/t/acme/registers/")
    assert page.headers["Content-Language"] == "zh-hans"
    assert '<html lang="zh-hans" data-theme="dark" data-bs-theme="dark">' in page.text


def test_preferences_signed_out_are_kept_in_a_cookie(cast: Cast, client: Client) -> None:
    client.post("/me/preferences/", {"language": "zh-hans", "next": "/accounts/login/"})
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == "zh-hans"
    assert client.get("/accounts/login/").headers["Content-Language"] == "zh-hans"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_preferences_lead_nowhere_else(cast: Cast, client: Client, target: str) -> None:
    answer = client.post("/me/preferences/", {"theme": "dark", "next": target})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("values", [{"language": "tlh"}, {"theme": "pink"}, {}])
def test_preferences_that_do_not_exist_change_nothing(cast: Cast, values: dict[str, str]) -> None:
    cast.client_for(cast.reader).post("/me/preferences/", values)
    cast.reader.refresh_from_db()
    assert (cast.reader.language, cast.reader.theme) == ("", Theme.AUTO)


def test_profile_is_saved(cast: Cast) -> None:
    client = cast.client_for(cast.reader)
    client.post("/me/", {"name": "Rui Reader", "language": "zh-hans", "theme": "light"})
    cast.reader.refresh_from_db()
    assert (cast.reader.name, cast.reader.language, cast.reader.theme) == ("Rui Reader", "zh-hans", "light")


def test_profile_without_a_name_is_refused_beside_the_field(cast: Cast) -> None:
    page = cast.client_for(cast.reader).post("/me/", {"name": " ", "language": "", "theme": "light"})
    assert page.status_code == 422
    assert 'id="id_name_error"' in page.text


def test_health_answers_without_signing_in(db: None, client: Client) -> None:
    assert client.get("/health/").text == "ok"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mei Lin", "ML"),
        ("示例·沈宁", "沈宁"),
        ("欧阳明月", "明月"),
        ("Cher", "C"),
        ("a@b.example", "A"),
        ("…", "?"),
    ],
)
def test_initials_are_short_in_both_scripts(name: str, expected: str) -> None:
    assert User(name=name).initials == expected


def test_sign_out_needs_a_post(cast: Cast) -> None:
    client = cast.client_for(cast.reader)
    client.post("/accounts/logout/")
    assert client.get("/t/acme/registers/").status_code == 302


@pytest.mark.parametrize(
    "path", ["/me/", "/me/data/", "/me/inbox/", "/me/security/", "/me/security/sessions/"]
)
def test_own_pages_lead_out(cast: Cast, path: str) -> None:
    page = cast.client_for(cast.reader).get(path).text
    assert '<form method="post" action="/accounts/logout/">' in page
    assert '<a href="/me/">Profile</a>' in page


def test_signed_out_pages_have_no_menu_of_an_account(cast: Cast, client: Client) -> None:
    assert 'action="/accounts/logout/"' not in client.get("/accounts/login/").text

"""One's own account: password, address, sessions, the summary, and the mails that tell of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone
from django.utils.translation import gettext, override

from risks.enums import Secured, Verb
from risks.models import AuditEvent, User
from risks.services.accounts import forget_ways_in
from tests.cast import PASSWORD, Cast

NEW = "quite another secret"
ADDRESS = "new@acme.example"


def sign_in(user: User, password: str = PASSWORD, agent: str = "") -> Client:
    client = Client(headers={"user-agent": agent})
    answer = client.post("/accounts/login/", {"login": user.email, "password": password})
    assert answer["Location"] == "/"
    return client


def is_in(client: Client) -> bool:
    return client.get("/t/acme/registers/").status_code == 200


def steps() -> list[tuple[str, User, User]]:
    lines = AuditEvent.objects.filter(verb=Verb.SECURED).order_by("pk")
    return [(line.changes["step"][1], line.actor, line.subject) for line in lines]


def link(number: int = -1) -> str:
    """The link in a mail."""
    return next(line for line in mail.outbox[number].body.splitlines() if line.startswith("http"))


# --- the password


def test_password_change_ends_the_other_sessions_and_tells(cast: Cast) -> None:
    here, elsewhere = sign_in(cast.reader), sign_in(cast.reader)
    key = here.session.session_key
    values = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    here.post("/accounts/password/change/", values)
    assert (is_in(here), is_in(elsewhere)) == (True, False)
    assert here.session.session_key != key
    assert UserSession.objects.count() == 1
    assert steps() == [(Secured.PASSWORD_CHANGED, cast.reader, cast.reader)]
    assert [(m.to, m.subject) for m in mail.outbox] == [([cast.reader.email], "Your password was changed")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"oldpassword": "wrong"}, "This is not your present password."),
        ({"password2": "something else entirely"}, "You must type the same password each time."),
        ({"password1": "12345678901", "password2": "12345678901"}, "This password is"),
        ({"password1": "short", "password2": "short"}, "at least 10 characters"),
        ({"password1": ""}, "This field is required."),
    ],
)
def test_password_change_with_bad_input_is_refused(cast: Cast, change: dict[str, str], message: str) -> None:
    client = sign_in(cast.reader)
    values = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW} | change
    page = client.post("/accounts/password/change/", values)
    assert page.status_code == 422
    assert message in page.text
    assert steps() == []
    cast.reader.refresh_from_db()
    assert cast.reader.check_password(PASSWORD)


def test_reset_by_mail_signs_out_everywhere_and_works_once(cast: Cast) -> None:
    before = sign_in(cast.reader)
    client = Client()
    client.post("/accounts/password/reset/", {"email": cast.reader.email})
    address = link()
    form = client.get(address)["Location"]
    assert form.endswith("-set-password/")  # the key is no longer in the address, so no page passes it on
    assert "Choose a new password" in client.get(form).text
    client.post(form, {"password1": NEW, "password2": NEW})
    assert not is_in(before)
    assert Session.objects.filter(session_key=before.session.session_key).exists() is False
    assert is_in(sign_in(cast.reader, NEW))
    assert steps() == [(Secured.PASSWORD_RESET, cast.reader, cast.reader)]
    assert "This link does not work any more" in Client().get(address).text


@pytest.mark.parametrize("flaw", ["expired", "changed", "of somebody else", "used after a sign-in"])
def test_reset_link_that_does_not_count_says_so(cast: Cast, flaw: str) -> None:
    Client().post("/accounts/password/reset/", {"email": cast.reader.email})
    address, later = link(), timedelta()
    if flaw == "expired":
        later = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT + 1)
    elif flaw == "changed":
        address = address[:-3] + "zz/"
    elif flaw == "of somebody else":
        Client().post("/accounts/password/reset/", {"email": cast.manager.email})
        ours, theirs = address.split("/key/")[1], link().split("/key/")[1]
        address = address.replace(ours, ours.split("-", 1)[0] + "-" + theirs.split("-", 1)[1])
    else:
        sign_in(cast.reader)
    with time_machine.travel(timezone.now() + later):
        page = Client().get(address, follow=True)
    assert "This link does not work any more" in page.text
    assert 'href="/accounts/password/reset/"' in page.text


def test_reset_drops_a_change_of_address_somebody_else_may_have_asked_for(cast: Cast) -> None:
    thief = sign_in(cast.reader)
    thief.post("/accounts/email/", {"action_add": "1", "email": "thief@evil.example"})
    change = link()
    client = Client()
    client.post("/accounts/password/reset/", {"email": cast.reader.email})
    form = client.get(link())["Location"]
    client.post(form, {"password1": NEW, "password2": NEW})
    assert "This link does not work any more" in Client().get(change).text
    cast.reader.refresh_from_db()
    assert cast.reader.email == "reader@acme.example"


def test_account_without_a_password_can_set_one(cast: Cast) -> None:
    cast.reader.set_unusable_password()
    cast.reader.save()
    client = Client()
    client.force_login(cast.reader)
    assert client.get("/accounts/password/change/")["Location"] == "/accounts/password/set/"
    client.post("/accounts/password/set/", {"password1": NEW, "password2": NEW})
    assert is_in(sign_in(cast.reader, NEW))
    assert steps() == [(Secured.PASSWORD_CHANGED, cast.reader, cast.reader)]


# --- the address


def test_address_changes_when_the_link_is_followed_and_the_old_one_is_told(cast: Cast) -> None:
    client = sign_in(cast.reader)
    client.post("/accounts/email/", {"action_add": "1", "email": "New@Acme.Example"})
    assert [(m.to, m.subject) for m in mail.outbox] == [([ADDRESS], "Confirm your new address")]
    assert f"<b>{ADDRESS}</b> is not confirmed yet." in client.get("/accounts/email/").text
    assert is_in(sign_in(cast.reader))  # the old one still signs in
    stranger = Client()
    assert f"<b>{ADDRESS}</b> becomes the address" in stranger.get(link(0)).text  # looking confirms nothing
    assert User.objects.get(pk=cast.reader.pk).email == "reader@acme.example"
    stranger.post(link(0))
    cast.reader.refresh_from_db()
    assert cast.reader.email == ADDRESS
    assert is_in(sign_in(cast.reader))
    refused = Client().post("/accounts/login/", {"login": "reader@acme.example", "password": PASSWORD})
    assert refused.status_code == 422
    assert [(m.to, m.subject) for m in mail.outbox[1:]] == [
        (["reader@acme.example"], "Your address was changed")
    ]
    assert steps() == [(Secured.ADDRESS_CHANGED, cast.reader, cast.reader)]
    rows = EmailAddress.objects.filter(user=cast.reader).values_list("email", "verified", "primary")
    assert list(rows) == [(ADDRESS, True, True)]


def test_address_change_asks_who_it_is_after_ten_minutes(cast: Cast) -> None:
    client = sign_in(cast.reader)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        answer = client.post("/accounts/email/", {"action_add": "1", "email": ADDRESS})
        assert answer["Location"] == "/accounts/reauthenticate/?next=%2Faccounts%2Femail%2F"
        wrong = client.post(answer["Location"], {"password": "wrong"})
        assert (wrong.status_code, "This is not your password." in wrong.text) == (422, True)
        client.post(answer["Location"], {"password": PASSWORD})
    assert EmailAddress.objects.filter(email=ADDRESS).exists()


def test_address_of_somebody_else_gets_the_same_answer_and_never_becomes_ours(cast: Cast) -> None:
    client = sign_in(cast.reader)
    taken = client.post("/accounts/email/", {"action_add": "1", "email": cast.manager.email})
    change = link()
    assert (taken.status_code, taken["Location"]) == (302, "/accounts/email/")
    client.post(change)
    cast.reader.refresh_from_db()
    assert cast.reader.email == "reader@acme.example"
    page = client.get("/accounts/email/")
    assert "it belongs to another account by now" in page.text


def test_change_of_address_can_be_called_off(cast: Cast) -> None:
    client = sign_in(cast.reader)
    client.post("/accounts/email/", {"action_add": "1", "email": ADDRESS})
    client.post("/accounts/email/", {"action_remove": "1", "email": ADDRESS})
    assert "This link does not work any more" in client.get(link(0)).text
    assert not EmailAddress.objects.filter(email=ADDRESS).exists()
    assert User.objects.get(pk=cast.reader.pk).email == "reader@acme.example"


def test_own_address_cannot_be_removed(cast: Cast) -> None:
    client = sign_in(cast.reader)
    client.post("/accounts/email/", {"action_remove": "1", "email": cast.reader.email})
    assert User.objects.get(pk=cast.reader.pk).email == "reader@acme.example"
    assert is_in(sign_in(cast.reader))


@pytest.mark.parametrize("address", ["nobody", "", "a@b", "x" * 250 + "@acme.example", "a\0@acme.example"])
def test_change_to_what_is_no_address_is_refused(cast: Cast, address: str) -> None:
    page = sign_in(cast.reader).post("/accounts/email/", {"action_add": "1", "email": address})
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert mail.outbox == []


def test_confirmation_link_of_nonsense_is_not_found(db: None) -> None:
    page = Client().get("/accounts/confirm-email/nonsense/")
    assert (page.status_code, "This link does not work any more" in page.text) == (404, True)


def test_confirmation_link_expires_after_a_day(cast: Cast) -> None:
    client = sign_in(cast.reader)
    client.post("/accounts/email/", {"action_add": "1", "email": ADDRESS})
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)):
        assert "This link does not work any more" in client.get(link()).text
        client.post(link())
    assert User.objects.get(pk=cast.reader.pk).email == "reader@acme.example"


# --- sessions

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Safari/604.1"


def test_sessions_are_listed_with_their_browsers_and_only_ones_own(cast: Cast) -> None:
    here = sign_in(cast.reader, agent=FIREFOX)
    sign_in(cast.reader, agent=SAFARI)
    sign_in(cast.manager, agent="Other/1.0")
    page = here.get("/me/security/sessions/")
    assert page.text.count('<li class="way">') == 2
    assert page.text.index("Firefox on Linux") < page.text.index("Safari on iPhone")
    assert "Other" not in page.text


def test_sign_out_there_ends_that_session_alone(cast: Cast) -> None:
    here, there, third = (sign_in(cast.reader) for _each in range(3))
    row = UserSession.objects.get(session_key=there.session.session_key)
    here.post("/me/security/sessions/", {"end": row.pk})
    assert [is_in(client) for client in (here, there, third)] == [True, False, True]
    assert steps() == [(Secured.SESSIONS_ENDED, cast.reader, cast.reader)]


def test_sign_out_everywhere_else_ends_all_but_this(cast: Cast) -> None:
    here, there, third = (sign_in(cast.reader) for _each in range(3))
    other = sign_in(cast.manager)
    here.post("/me/security/sessions/", {"end": "others"})
    assert [is_in(client) for client in (here, there, third, other)] == [True, False, False, True]


@pytest.mark.parametrize("end", ["foreign", "current", "", "x", "99999999999999999999", "1\0"])
def test_sessions_of_others_and_nonsense_are_left_alone(cast: Cast, end: str) -> None:
    here, other = sign_in(cast.reader), sign_in(cast.manager)
    whose = {"foreign": other, "current": here}.get(end)
    if whose:
        end = str(UserSession.objects.get(session_key=whose.session.session_key).pk)
    assert here.post("/me/security/sessions/", {"end": end}).status_code == 302
    assert (is_in(here), is_in(other)) == (True, True)
    assert steps() == []


def test_sessions_make_the_same_queries_for_one_and_for_thirty(cast: Cast, count_queries: Any) -> None:
    here = sign_in(cast.reader)
    one = count_queries(lambda: here.get("/me/security/sessions/"))
    for _each in range(29):
        sign_in(cast.reader)
    assert count_queries(lambda: here.get("/me/security/sessions/")) == one


def test_use_of_a_session_is_noted_at_most_every_ten_minutes(cast: Cast, count_queries: Any) -> None:
    client = sign_in(cast.reader)
    row = UserSession.objects.get()
    usual = count_queries(lambda: client.get("/t/acme/registers/"))
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        first = count_queries(lambda: client.get("/t/acme/registers/", headers={"user-agent": FIREFOX}))
        assert count_queries(lambda: client.get("/t/acme/registers/")) == usual
    assert first > usual
    noted = UserSession.objects.get()
    assert noted.last_seen_at - row.last_seen_at > timedelta(minutes=10)
    assert noted.user_agent == FIREFOX


def test_session_ends_with_its_age_unless_it_is_used(cast: Cast) -> None:
    used, idle = sign_in(cast.reader), sign_in(cast.reader)
    start, day = timezone.now(), timedelta(days=1)
    age = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    with time_machine.travel(start + age - day):
        assert is_in(used)
    with time_machine.travel(start + age + day):
        assert (is_in(used), is_in(idle)) == (True, False)


def test_forgotten_ways_in_leave_none(cast: Cast) -> None:
    client = sign_in(cast.reader)
    forget_ways_in(cast.reader)
    assert not is_in(client)
    for model in (UserSession, EmailAddress):
        assert not model.objects.filter(user=cast.reader).exists()


# --- the summary


def test_summary_shows_how_each_way_stands(cast: Cast) -> None:
    client = sign_in(cast.reader)
    client.post("/accounts/email/", {"action_add": "1", "email": ADDRESS})
    page = client.get("/me/security/").text
    assert f"{ADDRESS} is not confirmed yet" in page
    assert "in 1 browser" in page
    for address in ("email/", "password/change/", "2fa/totp/activate/", "2fa/webauthn/add/"):
        assert f'href="/accounts/{address}"' in page


@pytest.mark.parametrize("page", ["", "sessions/", "second-factor/"])
def test_pages_of_the_account_signed_out_lead_to_sign_in(db: None, client: Client, page: str) -> None:
    address = f"/me/security/{page}"
    assert client.get(address)["Location"] == f"/accounts/login/?next={address}"


# --- mails


def test_mails_are_text_and_html_in_the_language_of_who_gets_them(cast: Cast) -> None:
    User.objects.filter(pk=cast.reader.pk).update(language="zh-hans")
    client = Client(headers={"accept-language": "en"})
    client.post("/accounts/password/reset/", {"email": cast.reader.email})
    message: Any = mail.outbox[0]
    html, kind = message.alternatives[0]
    assert kind == "text/html"
    assert '<html lang="zh-hans">' in html
    assert link() in html
    assert "<img" not in html
    assert "<script" not in html
    with override("zh-hans"):
        assert message.subject == gettext("Choose a new password")


def test_html_mail_escapes_what_strangers_choose(cast: Cast) -> None:
    client = sign_in(cast.reader, agent="<b>agent</b>")
    values = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    client.post("/accounts/password/change/", values)
    message: Any = mail.outbox[0]
    assert "with <b>agent</b>." in message.body
    assert "&lt;b&gt;agent&lt;/b&gt;" in message.alternatives[0][0]


@override_settings(EMAIL_BACKEND="tests.broken_mail.Backend")
def test_mail_server_that_is_away_does_not_fail_the_act(cast: Cast) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": address}, follow=True)
        for address in (cast.reader.email, "stranger@acme.example")
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert ["A mail could not be sent. Try again later." in answer.text for answer in answers] == [True, True]


@override_settings(MAIL_WORKS=False)
def test_pages_that_would_mail_say_that_none_goes_out(cast: Cast) -> None:
    client = sign_in(cast.reader)
    for address in ("/accounts/password/reset/", "/accounts/password/reset/done/", "/accounts/email/"):
        assert "This site sends no mail at present" in client.get(address).text

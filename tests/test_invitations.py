"""Inviting people, the mail with the link, and the page it leads to."""

from __future__ import annotations

import re
from datetime import timedelta
from smtplib import SMTPException
from unittest import mock

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from risks.enums import Role, Verb
from risks.exceptions import Conflict, Gone, Invalid, NotAllowed
from risks.models import AuditEvent, Invitation, Membership, User
from risks.services import invitation as service
from risks.services.membership import deactivate
from tests.cast import PASSWORD, Cast
from tests.threads import at_once

NEW = {"name": "Nia New", "password": "a very good secret", "language": "en"}
PAGE = "/t/acme/settings/invitations/"


@pytest.fixture(autouse=True)
def _no_tries_yet() -> None:
    cache.clear()


@pytest.fixture
def invite(cast: Cast):  # type: ignore[no-untyped-def]
    def make(email: str = "nia@acme.example", role: str = "manager", language: str = "en") -> Invitation:
        by = cast.actor(cast.administrator)
        return service.invite(cast.team, [email], role=role, language=language, by=by)[0]

    return make


def _page(invitation: Invitation) -> str:
    return f"/invitations/{service.secret_of(invitation)}/"


# --- inviting


def test_invite_queues_a_mail_that_holds_no_secret(cast: Cast, invite) -> None:
    invitation = invite()

    job = DBTaskResult.objects.get()
    assert job.args_kwargs["args"] == [invitation.pk]
    secret = service.secret_of(invitation)
    assert secret not in str(job.args_kwargs) + invitation.secret_hash
    assert invitation.secret_hash != secret


def test_invite_is_in_the_trail_without_the_address(cast: Cast, invite) -> None:
    invite()

    line = AuditEvent.objects.latest("id")
    assert (line.verb, line.actor, line.object_type, line.object_label, line.subject) == (
        Verb.INVITED, cast.administrator, "invitation", "", None,
    )  # fmt: skip
    assert line.changes["role"] == [None, "manager"]
    assert "nia" not in str(line.changes)


@pytest.mark.parametrize(
    ("language", "subject", "words"),
    [
        ("en", "You are invited to the team Demo team", "Administrator invites you"),
        ("zh-hans", None, None),
    ],
)
def test_mail_is_text_and_html_in_the_language_of_the_invited(cast, invite, language, subject, words) -> None:
    invitation = invite(language=language)
    assert service.mail_invitation.call(invitation.pk) is True

    message = mail.outbox[0]
    link = service.link_to(invitation)
    assert message.to == ["nia@acme.example"]
    html = message.alternatives[0].content
    assert link in message.body
    assert f'href="{link}"' in html
    assert f'<html lang="{language}"' in html
    if subject:
        assert message.subject == subject
        assert words in message.body
        assert words in html


def test_mail_of_a_team_whose_name_is_markup_is_escaped(cast: Cast, invite) -> None:
    type(cast.team).objects.filter(pk=cast.team.pk).update(name_en="<b>R&D</b>\nBcc: x@evil.example")
    service.mail_invitation.call(invite().pk)

    message = mail.outbox[0]
    assert "<b>R&D</b>" not in message.alternatives[0].content
    assert "R&D" in message.body
    assert "\n" not in message.subject
    assert message.bcc == []


def test_mail_of_what_is_answered_meanwhile_is_not_sent(cast: Cast, invite) -> None:
    invitation = invite()
    service.revoke(invitation, by=cast.actor(cast.administrator))

    assert service.mail_invitation.call(invitation.pk) is False
    assert mail.outbox == []


def test_mail_waits_for_a_server_that_is_away(cast: Cast, invite) -> None:
    invitation = invite()
    with mock.patch(
        "risks.services.invitation.EmailMultiAlternatives.send", side_effect=SMTPException("nia@")
    ):
        assert service.mail_invitation.call(invitation.pk) is False
        jobs = [job.args_kwargs["args"] for job in DBTaskResult.objects.all()]
        assert sorted(jobs) == [[invitation.pk], [invitation.pk, 1]]
        with pytest.raises(RuntimeError) as refused:
            service.mail_invitation.call(invitation.pk, len(service.RESTS))
    assert "nia" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_mail_of_a_worker_with_another_key_is_not_sent(cast: Cast, invite) -> None:
    invitation = invite()
    with override_settings(SECRET_KEY="another" * 10), pytest.raises(RuntimeError, match="SECRET_KEY"):
        service.mail_invitation.call(invitation.pk)
    assert mail.outbox == []


@pytest.mark.parametrize("role", ["reader", "contributor", "manager"])
def test_only_administrators_invite(cast: Cast, role: str) -> None:
    client = cast.client_for(cast.members[role])
    values = {"addresses": "nia@acme.example", "role": "reader", "language": "en"}

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, values).status_code == 403
    assert not Invitation.objects.exists()


def test_several_addresses_are_invited_at_once(cast: Cast) -> None:
    values = {
        "addresses": "Nia@acme.example, bo@acme.example;\n <c@acme.example".replace("<", "")
        + ["\nnia@acme.example", "李@例子.中国"][0],
        "role": "reader",
        "language": "zh-hans",
    }
    answer = cast.client_for(cast.administrator).post(PAGE, values)

    assert answer.headers["Location"] == PAGE
    rows = Invitation.objects.order_by("id").values_list("email", "role", "language")
    assert list(rows) == [
        (f"{name}@acme.example", "reader", "zh-hans") for name in ("nia", "bo", "c")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ("", "This field is required"),
        (" , ,\n", "Enter at least one address"),
        ("nia", "This is not an e-mail address: nia"),
        ("nia@acme.example bo@", "This is not an e-mail address: bo@"),
        ("x@y x@z", "These are not e-mail addresses: x@y, x@z"),
        (f"{'x' * 300}@acme.example", "This is not an e-mail address"),
        ("administrator@acme.example", "administrator@acme.example is a member of the team already"),
        ("Reader@acme.example", "reader@acme.example is a member of the team already"),
        (" ".join(f"p{n}@acme.example" for n in range(200)), "These are 200 addresses. Invite at most 50"),
        ("<script>alert(1)</script>@acme.example", "This is not an e-mail address"),
    ],
)
def test_bad_addresses_are_refused_and_kept(cast: Cast, addresses: str, message: str) -> None:
    page = cast.client_for(cast.administrator).post(
        PAGE, {"addresses": addresses, "role": "reader", "language": "en"}
    )

    assert page.status_code == 422
    assert message in page.text
    assert "<script>alert" not in page.text
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    "values", [{"role": "root"}, {"language": "tlh"}, {"role": ""}, {"addresses": "a@b.example\0"}]
)
def test_nonsense_is_refused(cast: Cast, values: dict[str, str]) -> None:
    good = {"addresses": "nia@acme.example", "role": "reader", "language": "en"}

    assert cast.client_for(cast.administrator).post(PAGE, good | values).status_code == 422


def test_one_bad_address_invites_nobody(cast: Cast) -> None:
    with pytest.raises(Invalid):
        service.invite(
            cast.team, ["a@acme.example", "b@"], role="reader", language="en",
            by=cast.actor(cast.administrator),
        )  # fmt: skip
    assert not Invitation.objects.exists()
    assert not DBTaskResult.objects.exists()


def test_second_invitation_of_an_address_is_refused_while_the_first_is_open(cast: Cast, invite) -> None:
    invite()
    with pytest.raises(Invalid) as refused:
        invite()
    assert "has an invitation already" in str(refused.value)


def test_invitation_that_has_expired_is_renewed_by_inviting_again(cast: Cast, invite) -> None:
    first = invite(role="reader")
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        second = invite(role="manager")
    assert (second.pk, second.role) == (first.pk, "manager")
    assert service.secret_of(first) != service.secret_of(second)


@override_settings(MAIL_WORKS=False)
def test_link_is_shown_once_where_no_mail_goes_out(cast: Cast) -> None:
    client = cast.client_for(cast.administrator)
    page = client.post(PAGE, {"addresses": "nia@acme.example", "role": "reader", "language": "en"})

    link = re.search(r'value="http://testserver(/invitations/[^"]+)"', page.text)
    assert page.status_code == 200
    assert link
    assert Client().get(link[1]).status_code == 200
    assert "/invitations/" not in client.get(PAGE).text.replace(PAGE, "").replace("settings/invitations/", "")


def test_link_is_not_shown_where_mail_brings_it(cast: Cast) -> None:
    client = cast.client_for(cast.administrator)
    client.post(PAGE, {"addresses": "nia@acme.example", "role": "reader", "language": "en"})
    page = client.get(PAGE)

    assert service.secret_of(Invitation.objects.get()) not in page.text
    assert "nia@acme.example" in page.text


def test_list_has_the_same_queries_at_1_and_30(cast: Cast, invite, count_queries) -> None:
    client = cast.client_for(cast.administrator)
    invite()
    client.get(PAGE)
    few = count_queries(lambda: client.get(PAGE))
    for number in range(29):
        invite(f"p{number}@acme.example")
    assert count_queries(lambda: client.get(PAGE)) == few


# --- sending again, revoking


def test_sent_again_has_a_new_link_and_the_old_is_dead(cast: Cast, invite) -> None:
    invitation = invite()
    old = _page(invitation)
    with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
        cast.client_for(cast.administrator).force_login(cast.administrator)
        assert Client().get(old).status_code == 410
        cast.client_for(cast.administrator).post(f"{PAGE}{invitation.pk}/send/")
        invitation.refresh_from_db()
        assert Client().get(old).status_code == 404
        assert Client().get(_page(invitation)).status_code == 200
    assert AuditEvent.objects.latest("id").verb == Verb.CHANGED


def test_revoked_link_is_dead(cast: Cast, invite) -> None:
    invitation = invite()
    cast.client_for(cast.administrator).post(f"{PAGE}{invitation.pk}/revoke/")
    page = Client().get(_page(invitation))

    assert page.status_code == 410
    assert "This invitation has been withdrawn" in page.text
    line = AuditEvent.objects.latest("id")
    assert (line.verb, list(line.changes), line.object_label) == (Verb.CHANGED, ["revoked_at"], "")


def test_answered_invitation_is_neither_sent_nor_revoked(cast: Cast, invite) -> None:
    invitation, by = invite(), cast.actor(cast.administrator)
    service.revoke(invitation, by=by)
    for act in (service.send_again, service.revoke):
        with pytest.raises(Conflict):
            act(invitation, by=by)
    assert cast.client_for(cast.administrator).post(f"{PAGE}{invitation.pk}/send/").status_code == 409


@pytest.mark.parametrize("act", ["send", "revoke"])
def test_invitation_of_another_team_is_not_found(cast: Cast, invite, act: str) -> None:
    invitation = invite()
    outsider = cast.client_for(cast.outsider)

    assert outsider.post(f"{PAGE}{invitation.pk}/{act}/").status_code == 404
    assert outsider.post(f"/t/other/settings/invitations/{invitation.pk}/{act}/").status_code == 404
    assert cast.client_for(cast.administrator).get(f"{PAGE}{invitation.pk}/{act}/").status_code == 405
    assert cast.client_for(cast.manager).post(f"{PAGE}{invitation.pk}/{act}/").status_code == 403
    assert cast.client_for(cast.administrator).post(f"{PAGE}99999999999999999999/{act}/").status_code == 404
    with pytest.raises(NotAllowed):
        service.revoke(invitation, by=cast.actor(cast.outsider))


# --- accepting


def test_looking_at_the_link_accepts_nothing(cast: Cast, invite) -> None:
    invitation = invite()
    for _ in range(2):
        page = Client().get(_page(invitation))
        assert page.status_code == 200
        assert page.headers["Cache-Control"].count("no-store") == 1
    invitation.refresh_from_db()

    assert (invitation.accepted_at, User.objects.filter(email="nia@acme.example").count()) == (None, 0)


def test_new_person_gets_account_role_and_session(cast: Cast, invite) -> None:
    invitation, client = invite(), Client()
    answer = client.post(_page(invitation), NEW)

    assert answer.headers["Location"] == "/t/acme/"
    person = User.objects.get(email="nia@acme.example")
    assert (person.name, person.language, person.check_password(NEW["password"])) == ("Nia New", "en", True)
    assert EmailAddress.objects.get(user=person).verified
    membership = Membership.objects.get(user=person)
    assert (membership.role, membership.is_active) == (Role.MANAGER, True)
    assert client.get("/t/acme/registers/").status_code == 200
    line = AuditEvent.objects.filter(verb=Verb.JOINED).latest("id")
    assert (line.actor, line.subject, line.object_label, line.changes) == (
        person, person, "", {"role": [None, "manager"]},
    )  # fmt: skip
    assert membership.history.count() == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": " "}, "This field is required"),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"name": "x" * 100_000}, "at most 100 characters"),
        ({"password": "short"}, "too short"),
        ({"password": "nia@acme.example"}, "too similar"),
        ({"password": "password12"}, "too common"),
        ({"language": "tlh"}, "Select a valid choice"),
        ({"name": "Nia\0"}, "Null characters are not allowed"),
    ],
)
def test_bad_account_is_refused_and_what_was_typed_kept(cast: Cast, invite, values, message) -> None:
    page = Client().post(_page(invite()), NEW | values)

    assert page.status_code == 422
    assert message in page.text
    assert not User.objects.filter(email="nia@acme.example").exists()
    if "name" not in values:
        assert 'value="Nia New"' in page.text


def test_person_with_an_account_signs_in_and_joins_with_one_click(cast: Cast, invite) -> None:
    invitation, client = invite(cast.outsider.email), Client()
    page = client.get(_page(invitation))
    assert f"/accounts/login/?next={_page(invitation)}" in page.text
    answer = client.post(
        f"/accounts/login/?next={_page(invitation)}", {"login": cast.outsider.email, "password": PASSWORD}
    )
    assert answer.headers["Location"] == _page(invitation)
    assert "Join the team" in client.get(_page(invitation)).text
    assert not Membership.objects.filter(team=cast.team, user=cast.outsider).exists()
    assert client.post(_page(invitation)).headers["Location"] == "/t/acme/"
    assert Membership.objects.get(team=cast.team, user=cast.outsider).role == Role.MANAGER


def test_posting_an_account_for_an_address_that_has_one_changes_nothing(cast: Cast, invite) -> None:
    invitation = invite(cast.outsider.email)
    page = Client().post(_page(invitation), NEW)

    assert page.status_code == 200
    assert "Sign in" in page.text
    cast.outsider.refresh_from_db()
    assert cast.outsider.check_password(PASSWORD)
    with pytest.raises(Conflict):
        service.accept_as_new(invitation, **NEW)


@pytest.mark.parametrize("post", [False, True])
def test_person_signed_in_with_another_address_is_told(cast: Cast, invite, post: bool) -> None:
    client, page = cast.client_for(cast.outsider), _page(invite())
    answer = client.post(page) if post else client.get(page)

    assert answer.status_code == 403
    assert "is for nia@acme.example, but you are signed in as outsider@acme.example" in answer.text
    assert not Membership.objects.filter(team=cast.team, user=cast.outsider).exists()


def test_link_of_another_person_cannot_be_accepted_by_the_service_either(cast: Cast, invite) -> None:
    with pytest.raises(NotAllowed):
        service.accept(invite(), cast.outsider)


def test_second_click_of_the_same_person_leads_to_the_team(cast: Cast, invite) -> None:
    invitation, client = invite(), Client()
    client.post(_page(invitation), NEW)

    assert client.get(_page(invitation)).headers["Location"] == "/t/acme/"
    assert client.post(_page(invitation)).headers["Location"] == "/t/acme/"
    assert AuditEvent.objects.filter(verb=Verb.JOINED, subject__email=invitation.email).count() == 1


def test_used_link_says_so_to_others(cast: Cast, invite) -> None:
    invitation = invite()
    Client().post(_page(invitation), NEW)
    for client in (Client(), cast.client_for(cast.outsider)):
        page = client.post(_page(invitation), NEW | {"name": "Thief"})
        assert page.status_code == 410
        assert "This invitation has been used" in page.text
    assert not User.objects.filter(name="Thief").exists()


def test_used_link_does_not_let_in_again_who_was_sent_away(cast: Cast, invite) -> None:
    invitation, client = invite(), Client()
    client.post(_page(invitation), NEW)
    membership = Membership.objects.get(user__email="nia@acme.example")
    deactivate(membership, by=cast.actor(cast.administrator))

    assert client.post(_page(invitation)).status_code == 410
    membership.refresh_from_db()
    assert membership.is_active is False
    with pytest.raises(Gone):
        service.accept(invitation, membership.user)


def test_expired_link_says_what_to_do(cast: Cast, invite) -> None:
    invitation = invite()
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        page = Client().post(_page(invitation), NEW)
    assert page.status_code == 410
    assert "Ask who invited you to send it again" in page.text
    assert not User.objects.filter(email="nia@acme.example").exists()


@override_settings(INVITATION_DAYS=2)
def test_days_of_an_invitation_are_a_setting(cast: Cast, invite) -> None:
    invitation = invite()

    assert invitation.expires_at - invitation.created_at == timedelta(days=2)


@pytest.mark.parametrize("secret", ["x", "0" * 64, "a" * 5000, "%00", "é", "..%2f"])
def test_unknown_link_says_what_to_do(cast: Cast, secret: str) -> None:
    page = Client().get(f"/invitations/{secret}/")

    assert page.status_code == 404


def test_unknown_link_is_a_page_of_its_own(cast: Cast) -> None:
    assert "There is no such invitation" in Client().get(f"/invitations/{'0' * 64}/").text


def test_former_member_comes_back_in_the_new_role(cast: Cast, invite) -> None:
    deactivate(cast.reader.memberships.get(), by=cast.actor(cast.administrator))
    client = cast.client_for(cast.reader)
    client.post(_page(invite(cast.reader.email, role="manager")))

    membership = cast.reader.memberships.get()
    assert (membership.is_active, membership.role) == (True, Role.MANAGER)


def test_account_that_is_switched_off_does_not_join(cast: Cast, invite) -> None:
    invitation = invite(cast.outsider.email)
    User.objects.filter(pk=cast.outsider.pk).update(is_active=False)
    cast.outsider.refresh_from_db()

    assert "Sign in" in Client().post(_page(invitation), NEW).text
    with pytest.raises(Invalid):
        service.accept(invitation, cast.outsider)
    invitation.refresh_from_db()
    assert invitation.accepted_at is None


def test_every_waiting_invitation_can_be_found_and_revoked(cast: Cast, invite) -> None:
    old = invite("old@acme.example")
    now = timezone.now()
    Invitation.objects.bulk_create(
        Invitation(
            team=cast.team, email=f"p{number}@acme.example", role="reader", secret_hash=f"{number:064}",
            created_at=now, expires_at=now, revoked_at=now if number < 60 else None,
        )
        for number in range(160)
    )  # fmt: skip
    client = cast.client_for(cast.administrator)
    first, second = client.get(PAGE), client.get(f"{PAGE}?page=2")

    assert [len(page.context["waiting"]) for page in (first, second)] == [100, 1]
    assert len(first.context["answered"]) == 50
    assert f'href="{PAGE}?page=2"' in first.text
    assert f"{PAGE}{old.pk}/revoke/" in second.text


def test_mail_keeps_its_number_at_each_attempt_but_not_for_a_new_link(cast: Cast, invite) -> None:
    invitation = invite()
    first, second = (service.compose(invitation).message()["Message-ID"] for _attempt in range(2))
    again = service.send_again(invitation, by=cast.actor(cast.administrator))
    third = service.compose(again).message()["Message-ID"]

    assert first == second != third


def test_many_tries_from_one_place_are_stopped(cast: Cast, invite) -> None:
    invitation, tries = invite(), 120
    with time_machine.travel(timezone.now(), tick=False) as clock:
        answers = []
        for number in range(tries + 1):
            answers.append(Client().get(f"/invitations/{number:064}/").status_code)
            clock.shift(2)
        late = Client().get(_page(invitation)).status_code
        clock.shift(299 - 2 * tries)
        later = Client().get(_page(invitation)).status_code

    assert answers == [404] * tries + [429]
    assert (late, later) == (429, 200)  # the window does not grow with what is refused in it


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_two_clicks_at_once_make_one_member(own_connections: None, cast: Cast, invite, turn: int) -> None:
    invitation = invite()
    ends = at_once(*[lambda: service.accept_as_new(invitation, **NEW)] * 3)

    assert sorted(type(end).__name__ for end in ends) == ["Gone", "Gone", "NoneType"]
    assert Membership.objects.filter(team=cast.team, user__email="nia@acme.example").count() == 1
    assert User.objects.filter(email="nia@acme.example").count() == 1
    person = User.objects.get(email="nia@acme.example")
    again = at_once(*[lambda: service.accept(invitation, person)] * 2)
    assert again == [None, None]
    assert AuditEvent.objects.filter(verb=Verb.JOINED, subject=person).count() == 1

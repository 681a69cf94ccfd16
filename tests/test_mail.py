"""Mail of notices: when, to whom, what it looks like, once; and the way out of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core import mail as outbox_of
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from risks.enums import Delivery, NoticeKind
from risks.models import Mail, Notice, User
from risks.rules import Actor
from risks.services import mailer
from risks.services.delivery import delivery_of, next_digest, read_token, set_delivery, unsubscribe_token
from risks.services.history import save_tracked
from risks.services.invitation import compose, invite
from risks.services.links import base_url, check_base_url
from risks.services.mailer import GIVE_UP, LEASE, RESTS, is_mail_due, pack, send_due
from risks.services.notice import mark_read, notify
from tests.threads import at_once

LINK = re.compile(r"https?://[^\s\"<>]+")


@pytest.fixture(autouse=True)
def address(settings):
    settings.BASE_URL = "https://risks.example.com"


@pytest.fixture
def told(cast, make_risk):
    """`told(kind, person=…)`: a notice to the owner from the manager, on one and the same risk."""
    risk = make_risk(title_en="Echo & noise", title_zh="回声")

    def tell(kind=NoticeKind.MENTION, *, person=None, by=None, risk=risk, **about):
        [notice] = notify(kind, [person or cast.owner], by=by or cast.actor(cast.manager), risk=risk, **about)
        return notice

    return tell


def sent() -> list:
    return outbox_of.outbox


# --- when


def test_mention_goes_out_at_once_and_queues_the_job_in_the_acts_transaction(told):
    told()
    assert DBTaskResult.objects.get().task_path == "risks.services.mailer.mail_due"
    assert send_due() == 1
    assert [message.to for message in sent()] == [["owner@acme.example"]]


def test_second_run_sends_nothing(told):
    told()
    assert [send_due(), send_due()] == [1, 0]


def test_comment_waits_for_the_daily_mail_and_goes_out_in_one(told):
    with time_machine.travel("2026-11-23 09:30Z", tick=False):
        told(NoticeKind.COMMENT)
        told(NoticeKind.CHANGE)
        assert (send_due(), DBTaskResult.objects.count()) == (0, 0)
    with time_machine.travel("2026-11-24 08:00Z", tick=False):
        assert send_due() == 1
    assert sent()[0].subject == "2 things new in RiskReg"


def test_kind_that_is_off_is_in_the_inbox_only(cast, told):
    set_delivery(cast.owner, [NoticeKind.MENTION], Delivery.OFF)
    cast.owner.refresh_from_db()
    told()
    assert (send_due(), Notice.objects.count()) == (0, 1)


def test_installation_without_mail_plans_none(told, settings):
    settings.MAIL_WORKS = False
    assert told().mail_due_at is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda owner: mark_read(owner),
        lambda owner: User.objects.filter(pk=owner.pk).update(is_active=False),
        lambda owner: User.objects.filter(pk=owner.pk).update(pseudonymised_at=timezone.now()),
        lambda owner: set_delivery(owner, [NoticeKind.MENTION], Delivery.OFF),
    ],
    ids=["read", "switched off", "pseudonymised", "unsubscribed"],
)
def test_mail_that_is_no_longer_wanted_is_not_sent_and_not_kept(cast, told, spoil):
    told()
    spoil(cast.owner)
    assert (send_due(), sent(), Mail.objects.count()) == (0, [], 0)
    assert not is_mail_due(timezone.now())


def test_member_who_left_gets_no_mail_but_that_of_leaving(cast, told):
    told()
    notify(NoticeKind.TEAM, [cast.owner], by=cast.actor(cast.administrator), details={"left": True})
    membership = cast.owner.memberships.get()
    membership.is_active = False
    save_tracked(membership, by=Actor.system(cast.team.pk))
    send_due()
    assert [message.subject for message in sent()] == ["You are no longer a member of the team Demo team"]


def test_digest_holds_only_what_is_unread(told):
    with time_machine.travel("2026-11-23 09:30Z", tick=False):
        read = told(NoticeKind.COMMENT)
        told(NoticeKind.CHANGE)
        mark_read(read.user, read.pk)
    with time_machine.travel("2026-11-24 08:00Z", tick=False):
        send_due()
    assert sent()[0].subject == "1 thing new in RiskReg"
    assert "commented" not in sent()[0].body


def test_digest_counts_what_it_does_not_show(told, monkeypatch):
    monkeypatch.setattr("risks.services.mail_text.SHOWN", 2)
    with time_machine.travel("2026-11-23 09:30Z", tick=False):
        for _turn in range(5):
            told(NoticeKind.COMMENT)
    with time_machine.travel("2026-11-24 08:00Z", tick=False):
        send_due()
    assert sent()[0].subject == "5 things new in RiskReg"
    assert "3 more are in your inbox." in sent()[0].body


# --- the hour of the daily mail


@pytest.mark.parametrize(
    ("zone", "hour", "after", "due"),
    [
        ("Asia/Shanghai", 8, "2026-11-22 23:59", "2026-11-23 00:00"),
        ("Asia/Shanghai", 8, "2026-11-23 00:00", "2026-11-24 00:00"),
        ("Europe/Berlin", 8, "2026-03-28 12:00", "2026-03-29 06:00"),  # the night in between has 23 hours
        ("Europe/Berlin", 2, "2026-03-28 12:00", "2026-03-29 01:00"),  # there is no 02:00: at 03:00
        ("Europe/Berlin", 2, "2026-03-29 01:00", "2026-03-30 00:00"),
        ("Europe/Berlin", 2, "2026-10-24 12:00", "2026-10-25 00:00"),  # 02:00 comes twice: the first
        ("Europe/Berlin", 2, "2026-10-25 00:30", "2026-10-26 01:00"),  # between the two
        ("Europe/Berlin", 2, "2026-10-25 01:30", "2026-10-26 01:00"),  # after the second
        ("Pacific/Apia", 8, "2026-11-23 00:00", "2026-11-23 19:00"),
        ("", 8, "2026-11-23 07:00", "2026-11-23 08:00"),
        ("Nowhere/Land", 8, "2026-11-23 07:00", "2026-11-23 08:00"),
    ],
)
def test_next_digest(zone, hour, after, due):
    person = User(time_zone=zone, digest_hour=hour)
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert next_digest(person, moment).astimezone(UTC) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"])
@pytest.mark.parametrize("hour", range(24))
def test_next_digest_comes_once_a_local_day_all_year(zone, hour):
    person = User(time_zone=zone, digest_hour=hour)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    days = []
    while moment.year == 2026:
        moment = next_digest(person, moment)
        days.append(moment.astimezone(ZoneInfo(zone)).date())
    assert days == [days[0] + timedelta(days=ahead) for ahead in range(len(days))]
    assert len(days) >= 365


# --- what it looks like


def test_mail_has_the_headers_of_an_automatic_one_that_can_be_stopped(told):
    told()
    send_due()
    headers = sent()[0].extra_headers
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["Message-ID"] == f"<{Mail.objects.get().pk}@risks.example.com>"
    assert headers["List-Unsubscribe"].startswith("<https://risks.example.com/me/unsubscribe/")


@pytest.mark.parametrize(
    ("language", "risk", "lang"),
    [
        ("", "VOICE-1 Echo & noise", "en"),
        ("en", "VOICE-1 Echo & noise", "en"),
        ("zh-hans", "VOICE-1 回声", "zh-hans"),
    ],
)
def test_mail_is_in_the_persons_language(cast, told, language, risk, lang):
    User.objects.filter(pk=cast.owner.pk).update(language=language)
    told()
    send_due()
    [(html, kind)] = sent()[0].alternatives
    assert kind == "text/html"
    assert f'<html lang="{lang}">' in html
    assert risk in sent()[0].subject
    assert (sent()[0].subject == f"Manager mentioned you on {risk}") == (lang == "en")


@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_both_parts_lead_to_the_same_places_and_load_nothing(cast, told, digest, language):
    User.objects.filter(pk=cast.owner.pk).update(language=language)
    with time_machine.travel("2026-11-23 09:30Z", tick=False):
        told(NoticeKind.COMMENT if digest else NoticeKind.MENTION)
    with time_machine.travel("2026-11-24 08:00Z", tick=False):
        send_due()
    message = sent()[0]
    html = str(message.alternatives[0][0])
    links = re.findall(r'href="([^"]+)"', html)
    assert sorted(set(links)) == sorted(set(LINK.findall(message.body)))
    assert {urlsplit(link).netloc for link in links} == {"risks.example.com"}
    assert not re.findall(r"<(?:img|script|link|iframe|object)|url\(|@import|\ssrc=", html)
    assert ("Echo &amp; noise" in html) == (language == "en")
    assert "&amp;" not in message.body


def test_every_kind_of_mail_has_one_look(cast, told):
    def frame_and_button(message):
        html = message.alternatives[0][0]
        head = re.sub(r"<title>.*?</title>", "", html[: html.index("RiskReg</p>")])
        return head, re.findall(r'style="(display:inline-block[^"]*)"', html)[0]

    told()
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        told(NoticeKind.COMMENT)
    while send_due():
        pass
    Client().post("/accounts/password/reset/", {"email": cast.reader.email})
    values = {"addresses": ["new@acme.example"], "role": "reader", "language": "en"}
    [invitation] = invite(cast.team, **values, by=cast.actor(cast.administrator))
    looks = [frame_and_button(message) for message in (*sent(), compose(invitation))]
    assert len(looks) == 4
    assert len(set(looks)) == 1


def test_mail_names_no_address_and_quotes_no_comment(cast, told, make_risk):
    told()
    send_due()
    whole = sent()[0].message().as_string()
    assert "manager@" not in whole
    assert whole.count("owner@acme.example") == 1


def test_subject_with_line_breaks_and_no_end_stays_one_line(cast, told, make_risk):
    notice = told(risk=make_risk(title_en="a\r\nBcc: all@example.com " + "x" * 150))
    assert notice.pk
    send_due()
    subject = sent()[0].subject
    assert (len(subject), subject[-1]) == (150, "…")
    assert subject.startswith("Manager mentioned you on VOICE-2 a Bcc: all@example.com")


def test_moment_in_a_mail_is_of_the_persons_zone(cast, told):
    User.objects.filter(pk=cast.owner.pk).update(time_zone="Asia/Shanghai")
    with time_machine.travel("2026-11-23 20:00Z", tick=False):
        told()
        send_due()
    assert "24 Nov 2026, 04:00" in sent()[0].body


# --- failures


class Server(EmailBackend):
    """A mail server that fails as told."""

    on_open: Exception | None = None
    on_send: Exception | None = None

    def open(self):
        if self.on_open:
            raise self.on_open

    def send_messages(self, messages):
        if self.on_send:
            raise self.on_send
        return super().send_messages(messages)


@pytest.fixture
def server(settings):
    settings.EMAIL_BACKEND = f"{__name__}.Server"
    import sys

    sys.modules.setdefault(__name__, sys.modules[Server.__module__])
    Server.on_open = Server.on_send = None
    yield Server
    Server.on_open = Server.on_send = None


def test_mail_server_away_is_no_attempt_and_says_why(told, server):
    told()
    server.on_open = ConnectionRefusedError(111, "Connection refused")
    assert send_due() == 0
    mail = Mail.objects.get()
    assert (mail.attempts, mail.sent_at, mail.failed_at) == (0, None, None)
    assert mail.error == "ConnectionRefusedError: [Errno 111] Connection refused"
    server.on_open = None
    assert send_due() == 0  # it rests for a minute
    with time_machine.travel(timezone.now() + timedelta(minutes=1, seconds=1)):
        assert send_due() == 1
    assert Mail.objects.get().error == ""


def test_failing_mail_rests_longer_each_time_and_is_given_up(told, server):
    told()
    server.on_send = SMTPServerDisconnected("lost")
    now = timezone.now()
    rests = []
    for _turn in range(len(RESTS)):
        with time_machine.travel(now, tick=False):
            send_due()
            mail = Mail.objects.get()
            rests.append(mail.held_until - now)
            now = mail.held_until
    assert rests == RESTS
    with time_machine.travel(now, tick=False):
        send_due()
    mail = Mail.objects.get()
    assert (mail.attempts, mail.failed_at, mail.error) == (8, now, "SMTPServerDisconnected: lost")
    server.on_send = None
    with time_machine.travel(now + timedelta(days=30)):
        assert send_due() == 0


def test_mail_to_an_address_that_is_refused_for_good_is_given_up_at_once(told, server):
    told()
    server.on_send = SMTPRecipientsRefused({"owner@acme.example": (550, b"no such user")})
    send_due()
    assert Mail.objects.get().error == "SMTPRecipientsRefused: {'…': (550, b'no such user')}"
    assert (Mail.objects.get().attempts, Mail.objects.get().failed_at is None) == (1, False)


def test_mail_server_away_for_days_gives_up(told, server):
    told()
    server.on_open = ConnectionRefusedError("refused")
    with time_machine.travel(timezone.now() + GIVE_UP + timedelta(hours=1)):
        send_due()
    assert Mail.objects.get().failed_at is not None


def test_mail_that_cannot_be_written_holds_up_no_other(cast, told, monkeypatch, caplog):
    broken = told()
    told(person=cast.reader)
    real = mailer.compose

    def compose(mail):
        if mail.user_id == broken.user_id:
            raise ValueError("no template")
        return real(mail)

    monkeypatch.setattr(mailer, "compose", compose)
    assert send_due() == 1
    assert Mail.objects.get(sent_at=None).error == "ValueError: no template"


# --- two workers, and one that dies


def test_mail_held_by_a_worker_is_passed_over_until_its_time_is_up(told):
    told()
    now = timezone.now()
    pack(now)
    [held] = mailer._claim(now)
    assert send_due() == 0
    with time_machine.travel(now + LEASE + timedelta(seconds=1)):
        assert send_due() == 1
    assert mailer._begin(held) is False  # the slow one finds that it is no longer its own


def test_mail_whose_worker_died_in_the_middle_goes_out_again_under_the_same_id(told):
    told()
    now = timezone.now()
    pack(now)
    [held] = mailer._claim(now)
    assert mailer._begin(held)  # and dies, before or after the server has taken it
    with time_machine.travel(now + 2 * LEASE):
        assert send_due() == 1
    assert sent()[0].extra_headers["Message-ID"] == f"<{held.pk}@risks.example.com>"


@pytest.mark.usefixtures("own_connections")
def test_two_senders_at_once_send_each_mail_once(own_connections, cast, make_risk):
    risk = make_risk()
    people = list(cast.members.values())
    User.objects.filter(pk=cast.reader.pk).update(delivery={"mention": "digest"})
    for _turn in range(12):
        told = User.objects.filter(pk__in=[person.pk for person in people])  # with what they chose
        notify(NoticeKind.MENTION, told, by=cast.actor(cast.manager), risk=risk)
    Notice.objects.filter(in_digest=True).update(mail_due_at=timezone.now())
    assert at_once(send_due, send_due, send_due) == [None] * 3
    ids = [message.extra_headers["Message-ID"] for message in sent()]
    assert len(ids) == len(set(ids)) == 12 * 3 + 1
    assert Mail.objects.filter(sent_at=None).count() == 0
    assert Notice.objects.filter(mail=None).count() == 0


# --- the way out


def unsubscribe_link(message) -> str:
    return urlsplit(message.extra_headers["List-Unsubscribe"].strip("<>")).path


def test_one_click_works_without_cookie_token_or_sign_in(cast, told):
    told()
    send_due()
    client = Client(enforce_csrf_checks=True)
    response = client.post(unsubscribe_link(sent()[0]), {"List-Unsubscribe": "One-Click"})
    cast.owner.refresh_from_db()
    assert (response.status_code, response.get("Location", "")) == (200, "")
    off = [kind for kind in NoticeKind if delivery_of(cast.owner, kind) == Delivery.OFF]
    assert off == [NoticeKind.MENTION]


def test_looking_at_the_page_changes_nothing_and_shows_nobody(cast, told):
    told()
    send_due()
    client = Client()
    for send in (client.get, client.head):
        response = send(unsubscribe_link(sent()[0]))
        assert response.status_code == 200
    page = client.get(unsubscribe_link(sent()[0])).content.decode()
    cast.owner.refresh_from_db()
    assert cast.owner.delivery == {}
    assert "Somebody mentions you" in page
    assert "owner@" not in page
    assert "Owner" not in page


def test_digest_is_stopped_as_a_whole_or_kind_by_kind(cast, told):
    with time_machine.travel("2026-11-23 09:30Z", tick=False):
        told(NoticeKind.COMMENT)
        told(NoticeKind.CHANGE)
    with time_machine.travel("2026-11-24 08:00Z", tick=False):
        send_due()
    single = [urlsplit(link).path for link in LINK.findall(sent()[0].body) if "/unsubscribe/" in link]
    assert len(single) == 2
    Client().post(single[0])
    cast.owner.refresh_from_db()
    assert cast.owner.delivery == {"comment": "off"}
    Client().post(unsubscribe_link(sent()[0]))
    cast.owner.refresh_from_db()
    assert cast.owner.delivery == {"comment": "off", "change": "off"}


def test_unsubscribe_page_is_in_the_persons_language(cast):
    User.objects.filter(pk=cast.owner.pk).update(language="zh-hans")
    token = unsubscribe_token(cast.owner, [NoticeKind.MENTION])
    response = Client().get(f"/me/unsubscribe/{token}/")
    assert response["Content-Language"] == "zh-hans"
    assert '<html lang="zh-hans"' in response.content.decode()


@pytest.mark.parametrize("change", ["", "x", "1.mention", "1.mention:AAAA", "%00", "9" * 400])
def test_unsubscribe_with_a_link_that_is_not_ours_is_not_there(cast, change):
    client = Client()
    address = f"/me/unsubscribe/{change}/"
    assert {client.get(address).status_code, client.post(address).status_code} == {404}


def test_token_of_one_person_does_not_read_as_that_of_another(cast):
    token = unsubscribe_token(cast.owner, [NoticeKind.MENTION])
    assert read_token(token) == (cast.owner, [NoticeKind.MENTION])
    assert read_token(token.replace(f"{cast.owner.pk}.", f"{cast.reader.pk}.", 1)) is None
    assert read_token(token.replace("mention", "change", 1)) is None


def test_token_does_not_expire(cast):
    with time_machine.travel("2020-01-01 00:00Z"):
        token = unsubscribe_token(cast.owner, [NoticeKind.MENTION])
    assert read_token(token) is not None


def test_set_delivery_keeps_the_other_choices(cast):
    set_delivery(cast.owner, [NoticeKind.CHANGE], Delivery.AT_ONCE)
    set_delivery(cast.owner, [NoticeKind.COMMENT], Delivery.OFF)
    assert User.objects.get(pk=cast.owner.pk).delivery == {"change": "at_once", "comment": "off"}


# --- where links lead


@pytest.mark.parametrize(
    ("given", "hosts", "insecure", "expected"),
    [
        ("https://r.example.com/", ["x"], False, "https://r.example.com"),
        ("", ["*", ".example.com", "r.example.com"], False, "https://r.example.com"),
        ("", ["localhost"], True, "http://localhost"),
        ("", ["*"], False, ""),
    ],
)
def test_base_url(settings, given, hosts, insecure, expected):
    settings.BASE_URL, settings.ALLOWED_HOSTS, settings.INSECURE = given, hosts, insecure
    assert base_url() == expected
    assert [message.id for message in check_base_url()] == ([] if expected else ["risks.E001"])


@pytest.mark.parametrize("given", ["risks.example.com", "ftp://x", "https://", "https:///path"])
def test_base_url_that_is_none_fails_the_check(settings, given):
    settings.BASE_URL = given
    assert [message.id for message in check_base_url()] == ["risks.E001"]

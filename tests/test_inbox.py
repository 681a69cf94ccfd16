"""The inbox: what it says, to whom, and what marking does."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import timezone, translation

from risks.enums import NoticeKind, Role
from risks.models import Comment, Membership, Notice, User
from risks.rules import Actor
from risks.services.history import save_tracked
from risks.services.notice import delete_old_notices, notify
from risks.services.notice_text import sentence

INBOX = "/me/inbox/"


@pytest.fixture
def told(cast, make_risk):
    """`told(kind, risk=…, details=…)`: a notice to the owner from the manager."""

    def tell(kind=NoticeKind.MENTION, *, person=None, by=None, **about):
        about.setdefault("risk", None)
        [notice] = notify(kind, [person or cast.owner], by=by or cast.actor(cast.manager), **about)
        return notice

    return tell


def leave(user: User) -> None:
    membership = user.memberships.get()
    membership.is_active = False
    save_tracked(membership, by=Actor.system(membership.team_id), reason="")


# --- the page


def test_inbox_signed_out_leads_to_sign_in(db):
    response = Client().get(INBOX)
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/me/inbox/")


def test_inbox_without_notices_says_what_it_is_for(cast):
    page = cast.client_for(cast.owner).get(INBOX).content.decode()
    assert "Nothing yet" in page


def test_inbox_shows_newest_first_by_day_with_unread_in_words(cast, told, make_risk):
    risk = make_risk(title_en="Echo")
    with time_machine.travel("2026-11-20 09:00Z", tick=False):
        old = told(risk=risk)
    with time_machine.travel("2026-11-23 09:00Z", tick=False):
        told(NoticeKind.COMMENT, risk=risk)
        old.read_at = timezone.now()
        old.save()
        response = cast.client_for(cast.owner).get(INBOX)
    days = [(name, [line.text for line in lines]) for name, lines in response.context["days"]]
    assert days == [
        ("Today", [f"Manager commented on {risk}"]),
        ("20 Nov 2026", [f"Manager mentioned you on {risk}"]),
    ]
    assert response.content.decode().count('<span class="tag tone-blue">Unread</span>') == 1


def test_inbox_days_follow_the_persons_time_zone(cast, told):
    User.objects.filter(pk=cast.owner.pk).update(time_zone="Asia/Shanghai")
    with time_machine.travel("2026-11-22 17:00Z", tick=False):  # the 23rd in Shanghai
        told(NoticeKind.TEAM, details={"role": "manager"})
    with time_machine.travel("2026-11-23 09:00Z", tick=False):
        response = cast.client_for(cast.owner).get(INBOX)
    assert [name for name, _lines in response.context["days"]] == ["Today"]


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", ["comment", "mention"]),
        ("?show=unread", ["comment"]),
        ("?kind=mention", ["mention"]),
        ("?show=unread&kind=mention", []),
    ],
)
def test_inbox_filters(cast, told, make_risk, query, kinds):
    risk = make_risk()
    Notice.objects.filter(pk=told(risk=risk).pk).update(read_at=timezone.now())
    told(NoticeKind.COMMENT, risk=risk)
    page = cast.client_for(cast.owner).get(INBOX + query).context["page"]
    assert [notice.kind for notice in page.object_list] == kinds


@pytest.mark.parametrize("query", ["?show=nonsense", "?kind=nonsense", "?kind=%00", "?show=unread&kind=x"])
def test_inbox_unknown_filter_shows_an_error_and_no_rows(cast, told, make_risk, query):
    told(risk=make_risk())
    response = cast.client_for(cast.owner).get(INBOX + query)
    assert response.status_code == 422
    assert response.context["days"] == []
    assert "There is no such filter" in response.content.decode()


@pytest.mark.parametrize("page", ["0", "-1", "x", "999999999999999999999", "%00"])
def test_inbox_senseless_page_shows_one_there_is(cast, told, make_risk, page):
    told(risk=make_risk())
    response = cast.client_for(cast.owner).get(f"{INBOX}?page={page}")
    assert (response.status_code, len(response.context["page"].object_list)) == (200, 1)


def test_inbox_queries_are_the_same_for_one_and_for_thirty(cast, told, make_risk, count_queries):
    client = cast.client_for(cast.owner)
    comment_of = Comment.objects.create
    risk = make_risk()

    def add():
        comment = comment_of(
            risk=risk, team=risk.team, author=cast.manager, body="x", created_at=timezone.now()
        )
        told(risk=risk, comment=comment)

    add()
    client.get(INBOX)
    one = count_queries(lambda: client.get(INBOX))
    for _turn in range(29):
        add()
    assert count_queries(lambda: client.get(INBOX)) == one
    assert one <= 8


def test_inbox_as_htmx_answers_with_the_list_and_the_bell(cast, told, make_risk, htmx_headers):
    told(risk=make_risk())
    page = cast.client_for(cast.owner).get(INBOX, headers=htmx_headers("inbox")).content.decode()
    assert "<html" not in page
    assert page.count('id="bell"') == 1


def test_pages_of_the_team_count_unread_without_a_query_more(cast, told, make_risk, count_queries):
    client, risk = cast.client_for(cast.owner), make_risk()
    client.get("/t/acme/mitigations/")
    before = count_queries(lambda: client.get("/t/acme/mitigations/"))
    told(risk=risk)
    told(NoticeKind.COMMENT, risk=risk)
    response = client.get("/t/acme/mitigations/")
    assert response.context["scope"].unread == 2
    assert '<b class="bell-count" aria-hidden="true">2</b>' in response.content.decode()
    assert count_queries(lambda: client.get("/t/acme/mitigations/")) == before


def test_pages_outside_a_team_count_unread_with_one_query(cast, told, make_risk, count_queries):
    told(risk=make_risk())
    page = cast.client_for(cast.owner).get("/me/").content.decode()
    assert '<b class="bell-count" aria-hidden="true">1</b>' in page


# --- who sees what


def test_notices_of_others_are_not_there(cast, told, make_risk):
    notice = told(risk=make_risk())
    client = cast.client_for(cast.reader)
    assert client.get(INBOX).context["days"] == []
    for address, send in [(f"{INBOX}{notice.pk}/", client.get), (f"{INBOX}{notice.pk}/read/", client.post)]:
        assert send(address).status_code == 404
    assert Notice.objects.get().read_at is None


@pytest.mark.parametrize("pk", [0, 2**63, 10**30])
def test_notice_with_a_senseless_id_is_not_there(cast, pk):
    client = cast.client_for(cast.owner)
    assert client.get(f"{INBOX}{pk}/").status_code == 404
    assert client.post(f"{INBOX}{pk}/read/").status_code == 404


def test_notices_of_a_team_one_has_left_are_hidden_and_say_so(cast, told, make_risk):
    notice = told(risk=make_risk())
    leave(cast.owner)
    client = cast.client_for(cast.owner)
    assert client.get(INBOX).context["days"] == []
    response = client.get(f"{INBOX}{notice.pk}/")
    assert response.status_code == 404
    assert "Demo team, of which you are no longer a member" in response.content.decode()
    assert client.post(f"{INBOX}{notice.pk}/read/").status_code == 404
    assert Notice.objects.get().read_at is None


def test_unread_of_another_team_counts_in_the_bell_of_this_one(cast, told):
    save_tracked(Membership(team=cast.other_team, user=cast.owner, role=Role.READER), by=Actor.system(None))
    by = Actor(cast.outsider, cast.other_team.pk, Role.ADMINISTRATOR)
    told(NoticeKind.TEAM, by=by, details={"role": "reader"})
    response = cast.client_for(cast.owner).get("/t/acme/mitigations/")
    assert response.context["scope"].unread == 1


# --- marking


def test_opening_a_notice_marks_it_read_and_leads_to_the_comment(cast, told, make_risk):
    risk = make_risk()
    comment = Comment.objects.create(
        risk=risk, team=risk.team, author=cast.manager, body="Look", created_at=timezone.now()
    )
    notice = told(risk=risk, comment=comment)
    response = cast.client_for(cast.owner).get(f"{INBOX}{notice.pk}/")
    assert response["Location"] == f"/t/acme/risks/{risk.code}/comments/{comment.pk}/"
    assert Notice.objects.get().read_at is not None


def test_opening_a_notice_of_a_deleted_comment_leads_to_the_risk(cast, told, make_risk):
    risk = make_risk()
    comment = Comment.objects.create(
        risk=risk, team=risk.team, author=cast.manager, body="", created_at=timezone.now(),
        deleted_at=timezone.now(),
    )  # fmt: skip
    notice = told(risk=risk, comment=comment)
    response = cast.client_for(cast.owner).get(f"{INBOX}{notice.pk}/")
    assert response["Location"] == f"/t/acme/risks/{risk.code}/"


@pytest.mark.parametrize(
    ("kind", "details", "place"),
    [
        (NoticeKind.TEAM, {"role": "manager"}, "/t/acme/"),
        (NoticeKind.ASSIGNMENT, {"risks": 3, "mitigations": 1}, "/t/acme/risks/?owner=me"),
        (NoticeKind.ASSIGNMENT, {"mitigations": 1}, "/t/acme/mitigations/?owner=me"),
        (NoticeKind.CHANGE, {"risks": 4, "state": "closed"}, "/t/acme/risks/?sort=-updated"),
    ],
)
def test_notice_without_one_risk_leads_to_a_page_that_works(cast, told, kind, details, place):
    notice, client = told(kind, details=details), cast.client_for(cast.owner)
    assert client.get(f"{INBOX}{notice.pk}/")["Location"] == place
    assert client.get(place).status_code == 200


def test_marking_needs_post(cast, told, make_risk):
    notice, client = told(risk=make_risk()), cast.client_for(cast.owner)
    assert client.get(f"{INBOX}{notice.pk}/read/").status_code == 405
    assert client.get(f"{INBOX}read/").status_code == 405
    assert Notice.objects.get().read_at is None


def test_marking_one_returns_to_the_same_list(cast, told, make_risk):
    risk = make_risk()
    notice, other = told(risk=risk), told(NoticeKind.COMMENT, risk=risk)
    response = cast.client_for(cast.owner).post(f"{INBOX}{notice.pk}/read/?show=unread")
    assert response["Location"] == f"{INBOX}?show=unread"
    assert list(Notice.objects.filter(read_at=None)) == [other]


def test_marking_all_marks_only_ones_own(cast, told, make_risk, htmx_headers):
    risk = make_risk()
    told(risk=risk)
    told(NoticeKind.COMMENT, risk=risk)
    other = told(risk=risk, person=cast.reader)
    response = cast.client_for(cast.owner).post(f"{INBOX}read/", headers=htmx_headers("inbox"))
    assert "2 notices marked as read." in response["HX-Trigger"]
    assert "bell-count" not in response.content.decode()
    assert list(Notice.objects.filter(read_at=None)) == [other]


def test_marking_twice_keeps_the_first_time(cast, told, make_risk):
    notice, client = told(risk=make_risk()), cast.client_for(cast.owner)
    client.post(f"{INBOX}{notice.pk}/read/")
    first = Notice.objects.get().read_at
    client.get(f"{INBOX}{notice.pk}/")
    assert Notice.objects.get().read_at == first


def test_old_notices_are_deleted_once_they_have_been_read(cast, told, make_risk):
    risk, now = make_risk(), timezone.now()
    ages = {"read and old": (200, 190), "read late": (200, 10), "unread": (200, None)}
    for name, (made, read) in ages.items():
        notice = told(risk=risk, details={"name": name})
        Notice.objects.filter(pk=notice.pk).update(
            made_at=now - timedelta(days=made), read_at=now - timedelta(days=read) if read else None
        )
    assert delete_old_notices(now) == 1
    assert sorted(each.details["name"] for each in Notice.objects.all()) == ["read late", "unread"]


# --- sentences


WORDS = {"mitigation": 7, "en": "Test more", "zh": "多测试"}
SENTENCES = [
    (NoticeKind.MENTION, {}, "Manager mentioned you on {risk}"),
    (NoticeKind.COMMENT, {}, "Manager commented on {risk}"),
    (NoticeKind.ASSIGNMENT, {}, "Manager made you owner of {risk}"),
    (NoticeKind.ASSIGNMENT, WORDS, "Manager made you owner of the mitigation “Test more” of {risk}"),
    (NoticeKind.CHANGE, {}, "Manager changed {risk}"),
    (NoticeKind.CHANGE, {"state": "closed"}, "Manager set {risk} to “Closed”"),
    (NoticeKind.CHANGE, {"assessed": "residual"}, "Manager scored {risk} anew (Residual)"),
    (
        NoticeKind.CHANGE,
        {"fields": ["owner", "next_review_date"]},
        "Manager changed {risk}: owner, next review",
    ),
    (NoticeKind.CHANGE, {"fields": ["gone_field"]}, "Manager changed {risk}: gone_field"),
    (NoticeKind.CHANGE, WORDS, "Manager changed the mitigation “Test more” of {risk}"),
    (
        NoticeKind.CHANGE,
        WORDS | {"state": "done"},
        "Manager set the mitigation “Test more” of {risk} to “Done”",
    ),
    (NoticeKind.DUE, {"what": "review", "date": "2026-11-23"}, "The review of {risk} is due: 23 Nov 2026"),
    (
        NoticeKind.DUE,
        WORDS | {"what": "mitigation", "date": "2026-11-23"},
        "The mitigation “Test more” of {risk} is late: it was due on 23 Nov 2026",
    ),
    (
        NoticeKind.DUE,
        {"what": "acceptance", "date": "2026-11-23"},
        "The acceptance of {risk} ends on 23 Nov 2026",
    ),
    (NoticeKind.DUE, {}, "Something about {risk} is due"),
]


@pytest.mark.parametrize(("kind", "details", "expected"), SENTENCES)
def test_sentence_of_a_risk(told, make_risk, kind, details, expected):
    risk = make_risk(title_en="50 % of calls %(fail)s")
    assert sentence(told(kind, risk=risk, details=details)) == expected.format(risk=risk)


@pytest.mark.parametrize(
    ("kind", "details", "expected"),
    [
        (NoticeKind.ASSIGNMENT, {"risks": 1, "mitigations": 3},
         "Manager made you owner of 1 risk and 3 mitigations"),
        (NoticeKind.ASSIGNMENT, {"risks": 5}, "Manager made you owner of 5 risks"),
        (NoticeKind.CHANGE, {"risks": 5, "fields": ["owner"]}, "Manager changed 5 risks: owner"),
        (NoticeKind.TEAM, {"role": "manager", "joined": True},
         "Manager added you to the team Demo team as Manager"),
        (NoticeKind.TEAM, {"role": "manager"},
         "Manager gave you another role in the team Demo team: Manager"),
        (NoticeKind.TEAM, {"left": True}, "You are no longer a member of the team Demo team"),
        (NoticeKind.TEAM, {}, "Manager changed your membership of the team Demo team"),
    ],
)  # fmt: skip
def test_sentence_without_a_risk(told, kind, details, expected):
    assert sentence(told(kind, details=details)) == expected


def test_sentence_of_a_schedule_names_the_product(cast, told, make_risk):
    risk = make_risk()
    notice = told(NoticeKind.CHANGE, by=Actor.system(cast.team.pk), risk=risk)
    assert sentence(notice) == f"RiskReg changed {risk}"


@pytest.mark.parametrize(("kind", "details", "_expected"), SENTENCES)
def test_sentence_is_there_in_chinese(told, make_risk, kind, details, _expected):
    notice = told(kind, risk=make_risk(title_en="Echo", title_zh="回声"), details=details)
    with translation.override("zh-hans"):
        text = sentence(notice)
    assert "回声" in text
    assert "%(" not in text


def test_nobody_is_told_of_their_own_act_and_nobody_twice(cast, make_risk):
    people = [cast.manager, cast.owner, cast.owner]
    written = notify(NoticeKind.MENTION, people, by=cast.actor(cast.manager), risk=make_risk())
    assert [notice.user for notice in written] == [cast.owner]


def test_moments_are_shown_in_the_persons_zone(cast, told, make_risk):
    zone = ZoneInfo("Asia/Shanghai")
    with time_machine.travel(datetime(2026, 11, 23, 9, 30, tzinfo=zone), tick=False):
        told(risk=make_risk())
    User.objects.filter(pk=cast.owner.pk).update(time_zone="Asia/Shanghai")
    assert ">09:30</time>" in cast.client_for(cast.owner).get(INBOX).content.decode()

"""Comments, mentions and links between risks: what services write, and what the pages do."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from risks.enums import NoticeKind, Verb
from risks.exceptions import Conflict, Invalid, NotAllowed
from risks.models import (
    AuditEvent,
    Comment,
    CommentVersion,
    Membership,
    Notice,
    Register,
    Risk,
    RiskLink,
    User,
)
from risks.queries import discussion as queries
from risks.services.discussion import add_comment, delete_comment, edit_comment
from risks.services.history import save_tracked
from risks.services.risk import delete_risk
from tests.cast import Cast
from tests.rows import create

MakeRisk = Callable[..., Risk]
PAGE = "/t/acme/risks/VOICE-1/"
TALK = PAGE + "comments/"
SUGGEST = "/t/acme/members/suggest/"


@pytest.fixture
def risk(make_risk: MakeRisk, cast: Cast) -> Risk:
    return make_risk(title_en="Speech is not understood", title_zh="听不懂语音", owner=cast.owner)


@pytest.fixture
def say(cast: Cast, risk: Risk) -> Callable[..., Comment]:
    """`say("text", by=cast.owner, on=risk)`."""

    def say(text: str, by: User | None = None, on: Risk = risk) -> Comment:
        return add_comment(on, text, by=cast.actor(by or cast.contributor))

    return say


def told(kind: NoticeKind) -> list[str]:
    return sorted(Notice.objects.filter(kind=kind).values_list("user__name", flat=True))


def counts(*risks: Risk) -> list[tuple[int, int]]:
    return [
        Risk.objects.filter(pk=risk.pk).values_list("comment_count", "link_count").get() for risk in risks
    ]


# --- saying something


def test_comment_is_kept_counted_and_in_the_trail_without_its_text(cast: Cast, risk: Risk, say: Any) -> None:
    comment = say("  First **look**\r\nhere \n")
    comment.refresh_from_db()
    assert (comment.body, comment.author, comment.version) == ("First **look**\nhere", cast.contributor, 1)
    assert counts(risk) == [(1, 0)]
    event = AuditEvent.objects.get(object_type="comment")
    digest = sha256(comment.body.encode()).hexdigest()
    assert (event.verb, event.risk_id, event.object_label) == (Verb.COMMENTED, risk.pk, "VOICE-1")
    assert event.changes == {"body": [None, digest]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Write something first."),
        (" \n\t ", "Write something first."),
        ("\u202e", "Write something first."),
        (
            "x" * 10_001,
            "This is 10001 characters long; a comment holds 10000. Shorten it or split it in two.",
        ),
        ("a\0b", "The text holds a NUL character, which cannot be kept. Remove it."),
        ("Ask @Nobody", "@Nobody is not a member of this team. Write \\@ if nobody is meant."),
        ("@Outsider", "@Outsider is not a member of this team. Write \\@ if nobody is meant."),
        ("@[999999]", "@[999999] is not a member of this team. Write \\@ if nobody is meant."),
        ("@One @Two", "@One, @Two are not members of this team. Write \\@ if nobody is meant."),
    ],
)
def test_comment_that_cannot_stay_is_refused_in_a_sentence(
    risk: Risk, say: Any, text: str, message: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        say(text)
    assert (str(refusal.value.message), refusal.value.field) == (message, "text")
    assert counts(risk) == [(0, 0)]


def test_comment_of_ten_thousand_characters_is_kept(say: Any) -> None:
    assert len(say("x" * 10_000).body) == 10_000


def test_comment_by_a_reader_or_outsider_is_refused(cast: Cast, say: Any) -> None:
    for person in (cast.reader, cast.outsider):
        with pytest.raises(NotAllowed):
            say("x", by=person)


def test_comment_on_a_closed_risk_is_kept_and_in_an_archived_register_refused(
    cast: Cast, make_risk: MakeRisk, register: Register, say: Any
) -> None:
    closed = make_risk(state="closed")
    assert say("A lesson", on=closed).pk
    register.archived_at = timezone.now()
    save_tracked(register, by=cast.actor(cast.administrator))
    closed.register = register
    with pytest.raises(NotAllowed, match="archived"):
        say("Late", on=closed)


# --- mentions


def test_mention_is_kept_by_id_and_tells_once_mentioned_or_follower(cast: Cast, risk: Risk, say: Any) -> None:
    comment = say("@Reader and @manager, `@Nobody`: look. @Reader again")
    reader, manager = cast.reader.pk, cast.manager.pk
    assert comment.body == f"@[{reader}] and @[{manager}], `@Nobody`: look. @[{reader}] again"
    assert told(NoticeKind.MENTION) == ["Manager", "Reader"]
    assert told(NoticeKind.COMMENT) == ["Administrator", "Owner"]


def test_mention_of_oneself_tells_nobody(cast: Cast, say: Any) -> None:
    say("@Contributor", by=cast.contributor)
    assert told(NoticeKind.MENTION) == []


def test_mention_on_edit_tells_only_who_was_not_told(cast: Cast, say: Any) -> None:
    comment = say("@Reader")
    by = cast.actor(cast.contributor)
    edit_comment(comment, "Nobody", by=by)
    edit_comment(comment, "@Reader and @Owner", by=by)
    assert told(NoticeKind.MENTION) == ["Owner", "Reader"]


def test_mention_of_somebody_who_left_is_refused_but_stays_where_it_was(cast: Cast, say: Any) -> None:
    comment = say("@Reader: see")
    membership = cast.reader.memberships.get()
    membership.is_active = False
    save_tracked(membership, by=cast.actor(cast.administrator))
    by = cast.actor(cast.contributor)
    with pytest.raises(Invalid, match="@Reader is not a member"):
        say("@Reader")
    assert edit_comment(comment, "@Reader: see this", by=by).body == f"@[{cast.reader.pk}]: see this"
    assert queries.suggest_handles(cast.team, "read") == []


def test_mention_of_a_name_two_members_have_asks_which(cast: Cast, say: Any) -> None:
    twin = User.objects.create_user("twin@acme.example", name="reader")
    create(Membership, team=cast.team, user=twin, role="reader")
    with pytest.raises(Invalid) as refusal:
        say("@Reader")
    assert sorted(re.findall(r"@\w+ \([^)]*\)", str(refusal.value.message))) == [
        "@Reader (reader@acme.example)", "@reader (twin@acme.example)",
    ]  # fmt: skip
    assert say("@reader (twin@acme.example): you").body == f"@[{twin.pk}]: you"


def test_mention_shows_the_name_of_today(cast: Cast, say: Any) -> None:
    say("@Reader")
    User.objects.filter(pk=cast.reader.pk).update(name="New Name")
    html = cast.client_for(cast.manager).get(PAGE).content.decode()
    assert '<span class="mentioned">@New Name</span>' in html


def test_mentions_beyond_the_limit_are_refused(cast: Cast, say: Any) -> None:
    people = [User(email=f"p{n}@acme.example", name=f"Person {n:03}") for n in range(51)]
    for person in people:
        person.save()
        create(Membership, team=cast.team, user=person, role="reader")
    with pytest.raises(Invalid, match="at most"):
        say(" ".join(f"@{person.name}" for person in people))


@pytest.mark.parametrize(
    ("typed", "found"),
    [("own", ["Owner"]), ("R", ["Reader", "Administrator", "Contributor", "Manager", "Owner"]), ("zzz", []),
     ("罗", ["示例·罗"]), ("例·罗", ["示例·罗"]), ("\0", []), ("' OR 1=1", [])],
)  # fmt: skip
def test_suggestions_are_members_by_any_part_of_the_name(cast: Cast, typed: str, found: list[str]) -> None:
    person = User.objects.create_user("luo@acme.example", name="示例·罗")
    create(Membership, team=cast.team, user=person, role="reader")
    page = cast.client_for(cast.reader).get(SUGGEST, {"q": typed})
    assert page.context["handles"] == found
    assert page.content.decode().count('role="option"') == len(found)


def test_suggestions_are_for_members_only(cast: Cast, client: Client) -> None:
    assert cast.client_for(cast.outsider).get(SUGGEST).status_code == 404
    assert client.get(SUGGEST).status_code == 302
    assert cast.client_for(cast.manager).post(SUGGEST).status_code == 405


# --- links


def test_code_links_both_risks_and_edits_and_deletion_take_it_back(
    cast: Cast, risk: Risk, make_risk: MakeRisk, say: Any
) -> None:
    second, third = make_risk(), make_risk()
    comment = say("VOICE-2, VOICE-2 and VOICE-1, `VOICE-3`")
    assert list(RiskLink.objects.values_list("source", "target")) == [(risk.pk, second.pk)]
    assert counts(risk, second, third) == [(1, 1), (0, 1), (0, 0)]
    by = cast.actor(cast.contributor)
    edit_comment(comment, "VOICE-3", by=by)
    assert counts(risk, second, third) == [(1, 1), (0, 0), (0, 1)]
    delete_comment(comment, by=by)
    assert counts(risk, second, third) == [(1, 0), (0, 0), (0, 0)]


def test_code_of_another_team_stays_text_and_costs_the_same(
    cast: Cast, risk: Risk, make_risk: MakeRisk, say: Any, count_queries: Any
) -> None:
    say("Hello")
    foreign = count_queries(lambda: say("See OTHER-1"))
    unknown = count_queries(lambda: say("See NONE-99"))
    assert foreign == unknown
    assert not RiskLink.objects.exists()
    html = cast.client_for(cast.manager).get(PAGE).content.decode()
    assert "<p>See OTHER-1</p>" in html
    assert "<p>See NONE-99</p>" in html
    assert counts(cast.other_risk) == [(0, 0)]


def test_linked_risk_shows_where_it_is_mentioned(
    cast: Cast, risk: Risk, make_risk: MakeRisk, say: Any
) -> None:
    make_risk(title_en="The other")
    say("Like VOICE-2")
    html = cast.client_for(cast.reader).get(PAGE).content.decode()
    assert '<a class="risk-code" href="/t/acme/risks/VOICE-2/" title="The other">VOICE-2</a>' in html
    page = cast.client_for(cast.reader).get("/t/acme/risks/VOICE-2/")
    assert [(link.code, link.risk.title) for link in page.context["back_links"]] == [
        ("VOICE-1", "Speech is not understood")
    ]


def test_deleting_a_draft_takes_its_links_off_the_others(
    cast: Cast, risk: Risk, make_risk: MakeRisk, say: Any
) -> None:
    draft = make_risk(state="draft")
    say("See VOICE-2")
    say("See VOICE-1", on=draft)
    assert counts(risk) == [(1, 2)]
    delete_risk(draft, by=cast.actor(cast.manager))
    assert counts(risk) == [(1, 0)]


def test_statement_links_codes_of_the_teams_registers(
    cast: Cast, make_risk: MakeRisk, count_queries: Any
) -> None:
    make_risk(cause_en="GPT-4 fails like VOICE-2 & OTHER-1 <b>")
    make_risk(title_en="Two")
    html = cast.client_for(cast.reader).get(PAGE).content.decode()
    assert (
        '<dd dir="auto">GPT-4 fails like <a class="risk-code" href="/t/acme/risks/VOICE-2/" title="Two">'
        "VOICE-2</a> &amp; OTHER-1 &lt;b&gt;</dd>" in html
    )


# --- changing and deleting


def test_edit_keeps_what_was_said_and_is_marked(cast: Cast, say: Any) -> None:
    comment = say("One")
    by = cast.actor(cast.contributor)
    edited = edit_comment(comment, "Two", by=by, seen_version=1)
    assert (edited.body, edited.version) == ("Two", 2)
    assert list(comment.versions.values_list("body", flat=True)) == ["One"]
    assert edit_comment(edited, "Two", by=by, seen_version=2).version == 2
    with pytest.raises(Conflict):
        edit_comment(edited, "Three", by=by, seen_version=1)
    event = AuditEvent.objects.filter(object_type="comment").latest("pk")
    digests = [sha256(text).hexdigest() for text in (b"One", b"Two")]
    assert (event.verb, event.changes) == (Verb.CHANGED, {"body": digests})
    page = cast.client_for(cast.reader).get(f"{TALK}{comment.pk}/versions/")
    assert [str(each.html) for each in page.context["versions"]] == ["<p>One</p>"]
    assert "<p>Two</p>" in page.content.decode()


def test_delete_empties_the_place_and_drops_what_was_said(cast: Cast, risk: Risk, say: Any) -> None:
    comment = say("Secret One")
    by = cast.actor(cast.contributor)
    edit_comment(comment, "Secret Two", by=by)
    deleted = delete_comment(comment, by=by)
    assert (deleted.body, CommentVersion.objects.count()) == ("", 0)
    html = cast.client_for(cast.reader).get(PAGE).content.decode()
    assert "Deleted by its author, Contributor, on" in html
    assert "Secret" not in html
    assert counts(risk) == [(1, 0)]
    assert "Secret" not in str(list(AuditEvent.objects.values_list("object_label", "changes", "reason")))
    with pytest.raises(NotAllowed, match="deleted"):
        edit_comment(deleted, "x", by=by)
    assert cast.client_for(cast.reader).get(f"{TALK}{comment.pk}/versions/").status_code == 404


@pytest.mark.parametrize("person", ["reader", "owner", "manager", "administrator"])
@pytest.mark.parametrize("act", ["edit", "delete"])
def test_comment_of_another_cannot_be_changed(cast: Cast, say: Any, person: str, act: str) -> None:
    comment = say("Mine")
    client = cast.client_for(getattr(cast, person))
    assert client.post(f"{TALK}{comment.pk}/{act}/", {"text": "Yours"}).status_code == 403
    comment.refresh_from_db()
    assert (comment.body, comment.deleted_at) == ("Mine", None)


# --- pages


def test_comment_by_plain_form_leads_to_the_comment(cast: Cast, risk: Risk) -> None:
    answer = cast.client_for(cast.contributor).post(TALK, {"text": "Hello"})
    assert answer.headers["Location"] == f"{PAGE}#comment-{Comment.objects.get().pk}"


def test_comment_by_htmx_answers_with_the_section(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    answer = cast.client_for(cast.contributor).post(
        TALK, {"text": "Hello"}, headers=htmx_headers("discussion")
    )
    html = answer.content.decode()
    assert html.strip().startswith('<section id="discussion"')
    assert answer.headers["HX-Trigger-After-Settle"] == "comment-saved"
    assert (html.count("<p>Hello</p>"), html.count(">Hello</textarea>")) == (1, 0)


@pytest.mark.parametrize("htmx", [False, True])
def test_comment_that_is_refused_keeps_what_was_typed(
    cast: Cast, risk: Risk, htmx_headers: Any, htmx: bool
) -> None:
    headers = htmx_headers("discussion") if htmx else {}
    answer = cast.client_for(cast.owner).post(TALK, {"text": "Ask @Nobody <b>"}, headers=headers)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Ask @Nobody &lt;b&gt;</textarea>" in html
    assert "@Nobody is not a member of this team." in html
    assert ("<html" in html) is not htmx


def test_comment_with_nul_is_refused_in_words(cast: Cast, risk: Risk) -> None:
    answer = cast.client_for(cast.owner).post(TALK, {"text": "a\0b"})
    assert answer.status_code == 422
    assert "Null characters are not allowed." in answer.content.decode()


@pytest.mark.parametrize("htmx", [False, True])
def test_preview_shows_the_text_and_saves_nothing(
    cast: Cast, risk: Risk, make_risk: MakeRisk, htmx_headers: Any, htmx: bool
) -> None:
    make_risk(title_en="Two")
    data = {"text": "**@Reader** VOICE-2 @Nobody", "preview": "1"}
    headers = htmx_headers("discussion") if htmx else {}
    answer = cast.client_for(cast.owner).post(TALK, data, headers=headers)
    html = answer.content.decode()
    assert (answer.status_code, Comment.objects.count()) == (200, 0)
    assert '<strong><span class="mentioned">@Reader</span></strong> <a class="risk-code"' in html
    assert "@Nobody is not a member of this team." in html
    assert "**@Reader** VOICE-2 @Nobody</textarea>" in html


def test_edit_in_place_shows_names_and_saves(cast: Cast, say: Any, htmx_headers: Any) -> None:
    comment = say("@Reader")
    url, client = f"{TALK}{comment.pk}/edit/", cast.client_for(cast.contributor)
    headers = htmx_headers(f"comment-{comment.pk}")
    form = client.get(url, headers=headers).content.decode()
    assert form.strip().startswith(f'<li class="comment" id="comment-{comment.pk}"')
    assert "@Reader</textarea>" in form
    saved = client.post(url, {"text": "@Owner", "version": "1"}, headers=headers).content.decode()
    assert '<span class="mentioned">@Owner</span>' in saved
    assert ">edited</a>" in saved
    back = client.get(f"{TALK}{comment.pk}/", headers=headers).content.decode()
    assert "textarea" not in back


@pytest.mark.parametrize("htmx", [False, True])
def test_edit_of_a_version_that_is_gone_shows_both(
    cast: Cast, say: Any, htmx_headers: Any, htmx: bool
) -> None:
    comment = say("One")
    edit_comment(comment, "Elsewhere", by=cast.actor(cast.contributor))
    url, client = f"{TALK}{comment.pk}/edit/", cast.client_for(cast.contributor)
    headers = htmx_headers(f"comment-{comment.pk}") if htmx else {}
    answer = client.post(url, {"text": "Mine", "version": "1"}, headers=headers)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert ("<p>Elsewhere</p>" in html, "Mine</textarea>" in html) == (True, True)
    assert 'name="version" value="2"' in html
    assert client.post(url, {"text": "Mine", "version": "2"}, headers=headers).status_code in (200, 302)
    comment.refresh_from_db()
    assert comment.body == "Mine"


def test_delete_asks_first(cast: Cast, say: Any, htmx_headers: Any) -> None:
    comment = say("Going")
    url, client = f"{TALK}{comment.pk}/delete/", cast.client_for(cast.contributor)
    assert "<p>Going</p>" in client.get(url).content.decode()
    assert "data-open" in client.get(url, headers=htmx_headers("dialog")).content.decode()
    assert client.post(url).headers["Location"] == f"{PAGE}#comment-{comment.pk}"
    comment.refresh_from_db()
    assert comment.deleted_at is not None


def test_discussion_has_pages_of_fifty_with_lasting_addresses(cast: Cast, risk: Risk, say: Any) -> None:
    made = [say(f"Number {number}.") for number in range(1, 54)]
    client = cast.client_for(cast.reader)

    def numbers(url: str) -> list[int]:
        return [int(n) for n in re.findall(r"<p>Number (\d+)\.</p>", client.get(url).content.decode())]

    assert numbers(PAGE) == list(range(4, 54))
    assert numbers(TALK + "?page=2") == [1, 2, 3]
    assert numbers(TALK + "?page=3") == []
    assert client.get(f"{TALK}{made[-1].pk}/").headers["Location"] == f"{PAGE}#comment-{made[-1].pk}"
    assert client.get(f"{TALK}{made[3].pk}/").headers["Location"] == f"{PAGE}#comment-{made[3].pk}"
    assert client.get(f"{TALK}{made[2].pk}/").headers["Location"] == f"{TALK}?page=2#comment-{made[2].pk}"
    html = client.get(PAGE).content.decode()
    assert f'href="{TALK}?page=2"' in html
    assert [client.get(f"{TALK}?page={page}").status_code for page in ("0", "x", "-1", "9" * 30, "１")] == [
        404
    ] * 5


@pytest.mark.parametrize("person", ["reader", "outsider"])
def test_who_may_not_comment_sees_why_or_nothing(cast: Cast, say: Any, person: str) -> None:
    comment = say("Hello")
    client = cast.client_for(getattr(cast, person))
    ways = [TALK, f"{TALK}{comment.pk}/edit/", f"{TALK}{comment.pk}/delete/"]
    expected = 403 if person == "reader" else 404
    assert [client.post(way, {"text": "x"}).status_code for way in ways] == [expected] * 3
    if person == "reader":
        html = client.get(PAGE).content.decode()
        assert "Readers cannot comment. Ask an administrator of the team for another role." in html
        assert "<textarea" not in html
    else:
        ways += [f"{TALK}{comment.pk}/", f"{TALK}{comment.pk}/versions/"]
        assert [client.get(way).status_code for way in ways] == [404] * 5


def test_comments_of_another_risk_or_huge_ids_are_not_found(
    cast: Cast, make_risk: MakeRisk, say: Any
) -> None:
    comment = say("Hello")
    make_risk()
    client = cast.client_for(cast.contributor)
    for address in (f"/t/acme/risks/VOICE-2/comments/{comment.pk}/", f"{TALK}{'9' * 30}/", f"{TALK}0/"):
        assert client.get(address).status_code == 404


def test_signed_out_is_led_to_the_sign_in_page(client: Client, risk: Risk) -> None:
    assert client.post(TALK, {"text": "x"}).headers["Location"] == f"/accounts/login/?next={TALK}"
    assert client.get(TALK).headers["Location"] == f"/accounts/login/?next={TALK}"


def test_discussion_shows_script_as_text(cast: Cast, say: Any) -> None:
    say("<script>alert(1)</script> [x](javascript:alert(1))")
    html = cast.client_for(cast.reader).get(PAGE).content.decode()
    assert "<script>alert" not in html
    assert 'href="javascript' not in html


def test_discussion_reads_in_chinese(cast: Cast, say: Any) -> None:
    say("风险很高，请@Reader看一下。")
    with translation.override("zh-hans"):
        html = cast.client_for(cast.reader).get(PAGE).content.decode()
    assert '请<span class="mentioned mentioned-me">@Reader</span>看一下。' in html


def test_past_risk_page_has_no_discussion(cast: Cast, make_risk: MakeRisk, say: Any) -> None:
    risk = make_risk(at=timezone.now() - timezone.timedelta(days=9))
    say("Hello", on=risk)
    day = timezone.localdate() - timezone.timedelta(days=2)
    html = cast.client_for(cast.manager).get(f"/t/acme/risks/{risk.code}/?as_of={day}").content.decode()
    assert ('id="discussion"' in html, 'id="follow"' in html) == (False, False)


# --- queries


def test_risk_page_makes_two_more_queries_at_most_however_much_is_said(
    cast: Cast, risk: Risk, make_risk: MakeRisk, say: Any, count_queries: Any
) -> None:
    client = cast.client_for(cast.manager)
    client.get(PAGE)
    silent = count_queries(lambda: client.get(PAGE))
    second = make_risk()
    say("Hello")
    assert count_queries(lambda: client.get(PAGE)) == silent + 1
    for number in range(30):
        say(f"@Reader @Owner VOICE-2 {number}", by=[cast.owner, cast.manager][number % 2])
        say("VOICE-1", on=second)
    assert count_queries(lambda: client.get(PAGE)) == silent + 2


def test_comment_costs_the_same_however_many_follow(cast: Cast, say: Any, count_queries: Any) -> None:
    say("Hello")
    few = count_queries(lambda: say("@Reader VOICE-1"))
    for number in range(30):
        person = User.objects.create_user(f"m{number}@acme.example", name=f"Manager {number}")
        create(Membership, team=cast.team, user=person, role="manager")
    assert count_queries(lambda: say("@Reader VOICE-1")) == few
    assert Notice.objects.filter(kind=NoticeKind.COMMENT).count() == 3 + 3 + 33

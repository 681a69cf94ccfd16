"""A person's own data: taken out, and taken away while the trail stays whole."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from zipfile import ZipFile

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import connection, models
from django.test import Client
from django.utils import timezone, translation

from risks.enums import NoticeKind, Role, Verb
from risks.exceptions import NotAllowed
from risks.models import (
    Attachment,
    AuditEvent,
    Comment,
    Follow,
    Invitation,
    Membership,
    Notice,
    SavedView,
    User,
)
from risks.rules import Actor
from risks.services import invitation as invitations
from risks.services.attachment import attach
from risks.services.discussion import add_comment, delete_comment, edit_comment
from risks.services.membership import deactivate
from risks.services.notice import notify
from risks.services.personal import pseudonymise
from risks.services.seal import seal_events, verify_chain
from risks.services.team import save_view
from tests.cast import PASSWORD, Cast
from tests.files import upload
from tests.rows import create

NAME, ADDRESS = "Zyxwalda Qwertzberg", "zyxwalda.qwertzberg@acme.example"


@pytest.fixture
def life(cast: Cast, make_risk, make_mitigation) -> User:
    """Somebody who has left a trace in every kind of record: invited, signed in, wrote, owned, was told."""
    admin = cast.actor(cast.administrator)
    invitation = invitations.invite(cast.team, [ADDRESS], role="manager", language="en", by=admin)[0]
    client = Client()
    client.post(
        f"/invitations/{invitations.secret_of(invitation)}/",
        {"name": NAME, "password": "a very good secret", "language": "en"},
    )
    person = User.objects.get(email=ADDRESS)
    client.post("/accounts/logout/")
    client.post("/accounts/login/", {"login": ADDRESS, "password": "wrong"})
    client.post("/accounts/login/", {"login": ADDRESS, "password": "a very good secret"})
    by = cast.actor(person)
    risk = make_risk(by=person, owner=person, residual=(3, 3), state="accepted")
    make_mitigation(risk, by=person, owner=person)
    comment = add_comment(risk, "First thought", by=by)
    edit_comment(comment, "Better thought, see VOICE-2", by=by)
    other = make_risk(owner=cast.owner)
    add_comment(other, f"@{NAME} look at VOICE-1", by=admin)
    notify(NoticeKind.TEAM, [person], by=admin, details={"role": "manager"})
    save_view(cast.team, person, "Mine", "owner=me")
    Follow.objects.update_or_create(risk=other, user=person, defaults={"wanted": True})
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": "x"})
    SocialAccount.objects.create(user=person, provider="oidc", uid=ADDRESS, extra_data={"name": NAME})
    EmailAddress.objects.create(user=person, email="z.q@elsewhere.example", verified=True)
    Invitation.objects.create(
        team=cast.other_team, email=ADDRESS, role="reader", secret_hash="0" * 64,
        created_at=timezone.now(), expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    client.get("/t/acme/settings/members/")
    b"".join(client.post("/me/data/").streaming_content)
    return person


def _occurrences(*words: str) -> list[str]:
    """Every column of text or JSON, of every table, that holds one of the words."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.managed or model._meta.proxy:
            continue
        for field in model._meta.concrete_fields:
            if not isinstance(field, models.CharField | models.TextField | models.JSONField):
                continue
            table, column = map(connection.ops.quote_name, (model._meta.db_table, field.column))
            for word in words:
                for form in {word, json.dumps(word)[1:-1]}:
                    with connection.cursor() as cursor:
                        cursor.execute(
                            f"SELECT COUNT(*) FROM {table} "  # noqa: S608 - names of our own tables
                            f"WHERE LOWER(CAST({column} AS text)) LIKE %s",
                            [f"%{form.lower()}%"],
                        )
                        if cursor.fetchone()[0]:
                            found.append(f"{model._meta.label}.{field.name}: {word}")
    return found


# --- taking it away


def _forget(cast: Cast, person: User, **options: bool) -> User:
    by = cast.actor(cast.administrator)
    deactivate(person.memberships.get(), by=by, successor=cast.manager)
    pseudonymise(person, by=by, **options)
    return User.objects.get(pk=person.pk)


def test_nothing_tells_who_it_was(cast: Cast, life: User) -> None:
    assert len(_occurrences(NAME, ADDRESS)) >= 5  # else the search would prove nothing

    _forget(cast, life)

    assert _occurrences(NAME, ADDRESS, "zyxwalda", "qwertzberg", "z.q@elsewhere") == []


def test_account_cannot_be_used_any_more(cast: Cast, life: User) -> None:
    person = _forget(cast, life)

    assert (person.is_active, person.has_usable_password(), person.last_login) == (False, False, None)
    assert person.pseudonymised_at is not None
    for model in (EmailAddress, Authenticator, SocialAccount, UserSession, Notice, SavedView, Follow):
        assert not model.objects.filter(user=person).exists(), model
    assert not any(
        session.get_decoded().get("_auth_user_id") == str(person.pk) for session in Session.objects.all()
    )
    client = Client()
    client.post("/accounts/login/", {"login": ADDRESS, "password": "a very good secret"})
    assert "_auth_user_id" not in client.session


def test_trail_stays_whole(cast: Cast, life: User) -> None:
    seal_events(timezone.now() + timedelta(days=1))
    before = list(AuditEvent.objects.order_by("id").values_list("pk", "actor", "subject", "object_label"))
    _forget(cast, life)
    seal_events(timezone.now() + timedelta(days=1))

    assert verify_chain(cast.team).broken is None
    after = AuditEvent.objects.order_by("id").values_list("pk", "actor", "subject", "object_label")
    assert list(after[: len(before)]) == before
    line = AuditEvent.objects.latest("id")
    assert (line.verb, line.actor, line.subject_id, line.object_label, line.changes) == (
        Verb.PSEUDONYMISED, cast.administrator, life.pk, "", {},
    )  # fmt: skip


def test_pseudonym_is_in_the_readers_language(cast: Cast, life: User) -> None:
    person = _forget(cast, life)

    assert str(person) == f"Former member {person.pk}"
    with translation.override("zh-hans"):
        assert str(person.pk) in str(person)
    person.has_left = True
    assert str(person) == f"Former member {person.pk}"


def test_comments_stay_under_the_pseudonym(cast: Cast, life: User) -> None:
    _forget(cast, life)
    page = cast.client_for(cast.reader).get("/t/acme/risks/VOICE-1/")

    assert Comment.objects.get(author=life).body == "Better thought, see VOICE-2"
    assert "Better thought" in page.text
    assert f"Former member {life.pk}" in page.text


def test_comments_are_emptied_on_request(cast: Cast, life: User) -> None:
    _forget(cast, life, empty_comments=True)

    comment = Comment.objects.get(author=life)
    assert (comment.body, comment.deleted_at is not None, comment.versions.count()) == ("", True, 0)
    assert comment.links.count() == 0
    assert comment.risk.link_count == 1  # the other's comment still speaks of it


def test_emptied_comment_loses_its_files_and_says_why_it_is_empty(
    cast: Cast, life: User, django_capture_on_commit_callbacks
) -> None:
    by = cast.actor(life)
    comment = Comment.objects.get(author=life)
    taken_back = add_comment(comment.risk, "Never mind", by=by)
    delete_comment(taken_back, by=by)
    file = attach([upload("notes.txt", b"A note.\n")], risk=comment.risk, by=by, comment=comment)[0]
    with django_capture_on_commit_callbacks(execute=True):
        _forget(cast, life, empty_comments=True)
    comment.risk.refresh_from_db()
    page = cast.client_for(cast.reader).get("/t/acme/risks/VOICE-1/").text

    assert (Attachment.objects.count(), comment.risk.attachment_count) == (0, 0)
    assert not default_storage.exists(str(file.file))
    line = AuditEvent.objects.get(verb=Verb.DELETED, object_type="attachment")
    assert (line.team, line.actor, line.risk) == (cast.team, cast.administrator, comment.risk)
    assert page.count(f"when it was forgotten who Former member {life.pk} was") == 1
    assert page.count(f"Deleted by its author, Former member {life.pk}") == 1


@pytest.mark.parametrize("why", ["still a member", "another team", "oneself", "reader", "staff", "twice"])
def test_nobody_is_forgotten_against_the_rules(cast: Cast, why: str) -> None:
    by, person = cast.actor(cast.administrator), cast.reader
    if why != "still a member":
        deactivate(person.memberships.get(), by=by)
    if why == "another team":
        create(Membership, team=cast.other_team, user=person, role=Role.READER, is_active=False)
    elif why == "oneself":
        person = cast.administrator
    elif why == "reader":
        by = cast.actor(cast.manager)
    elif why == "staff":
        User.objects.filter(pk=person.pk).update(is_staff=True)
    elif why == "twice":
        pseudonymise(person, by=by)
    with pytest.raises(NotAllowed):
        pseudonymise(person, by=by)


def test_superuser_of_the_site_may_forget_who_was_in_several_teams(cast: Cast) -> None:
    create(Membership, team=cast.other_team, user=cast.reader, role=Role.READER)
    root = User.objects.create_superuser("root@acme.example", PASSWORD)
    pseudonymise(cast.reader, by=Actor.operator(root))

    lines = AuditEvent.objects.filter(verb=Verb.PSEUDONYMISED, subject=cast.reader)
    assert sorted(line.team.slug for line in lines) == ["acme", "other"]
    assert not cast.reader.memberships.active().exists()


def test_staff_who_are_no_superusers_may_not(cast: Cast) -> None:
    staff = User.objects.create_user("staff@acme.example", PASSWORD, is_staff=True)
    with pytest.raises(NotAllowed):
        pseudonymise(cast.reader, by=Actor.operator(staff))


@pytest.mark.parametrize(
    ("address", "status"), [("Reader@acme.example ", 302), ("reader", 422), ("", 422), ("a\0", 422)]
)
def test_forgetting_asks_for_the_address(cast: Cast, address: str, status: int) -> None:
    membership = cast.reader.memberships.get()
    deactivate(membership, by=cast.actor(cast.administrator))
    page = f"/t/acme/settings/members/{membership.pk}/forget/"
    client = cast.client_for(cast.administrator)

    assert client.get(page).status_code == 200
    assert client.post(page, {"address": address}).status_code == status
    cast.reader.refresh_from_db()
    assert (cast.reader.pseudonymised_at is not None) is (status == 302)


# --- taking it out


def _export(client: Client) -> tuple[dict, str]:
    answer = client.post("/me/data/")
    with ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.testzip() is None
        return json.loads(archive.read("data.json")), archive.read("README.txt").decode()


def test_own_data_holds_every_kind(cast: Cast, life: User) -> None:
    client = Client()
    client.force_login(life)
    data, readme = _export(client)

    assert NAME in readme
    assert (data["account"]["email"], data["account"]["name"]) == (ADDRESS, NAME)
    assert [row["email"] for row in data["addresses"]] == [ADDRESS, "z.q@elsewhere.example"]
    assert [row["code"] for row in data["owned_risks"]] == ["VOICE-1"]
    assert data["owned_risks"][0]["title_en"] == "Risk 1"
    assert [row["body"] for row in data["comments"]] == ["Better thought, see VOICE-2"]
    assert [row["body"] for row in data["comments_before_editing"]] == ["First thought"]
    assert [(row["role"], row["team_name"]) for row in data["memberships"]] == [("manager", "acme")]
    assert len(data["sessions"]) >= 1
    assert {row["kind"] for row in data["notices"]} >= {"team", "mention"}
    assert "joined" in {row["verb"] for row in data["trail"]}
    assert [name for name, rows in data.items() if not rows] == ["approved_acceptances", "files"]
    text = json.dumps(data)
    assert "md5" not in text
    assert '"secret": "x"' not in text


def test_own_data_taken_is_written_down(cast: Cast) -> None:
    _export(cast.client_for(cast.reader))

    line = AuditEvent.objects.latest("id")
    assert (line.verb, line.actor, line.subject, line.team, line.object_label) == (
        Verb.EXPORTED, cast.reader, cast.reader, cast.team, "",
    )  # fmt: skip


def test_own_data_keeps_the_texts_of_a_team_one_has_left(cast: Cast, make_risk) -> None:
    make_risk(owner=cast.owner, title_en="Nobody outside may read this")
    deactivate(cast.owner.memberships.get(), by=cast.actor(cast.administrator))
    data, _readme = _export(cast.client_for(cast.owner))

    assert [row["code"] for row in data["owned_risks"]] == ["VOICE-1"]
    assert "Nobody outside" not in json.dumps(data)


def test_own_data_is_asked_for_by_a_form(cast: Cast) -> None:
    page = cast.client_for(cast.reader).get("/me/data/")

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert Client().post("/me/data/").headers["Location"].startswith("/accounts/login/")
    assert not AuditEvent.objects.filter(verb=Verb.EXPORTED).exists()


def test_own_data_of_many_rows_makes_the_queries_of_few(cast: Cast, make_risk, count_queries) -> None:
    client = cast.client_for(cast.owner)
    make_risk(owner=cast.owner)
    few = count_queries(lambda: _export(client))
    for _ in range(20):
        make_risk(owner=cast.owner)
    assert count_queries(lambda: _export(client)) == few

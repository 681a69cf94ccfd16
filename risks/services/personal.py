"""A person's own data: taken out as a file, or taken away while the trail stays whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from risks import rules
from risks.enums import Role, Theme, Verb
from risks.models import (
    Acceptance,
    Attachment,
    AuditEvent,
    Comment,
    CommentVersion,
    Follow,
    Invitation,
    Mail,
    Mitigation,
    Notice,
    Risk,
    RiskLink,
    SavedView,
    User,
)
from risks.models.team import FORMER
from risks.rules import Actor
from risks.services.accounts import forget_ways_in
from risks.services.attachment import drop_files
from risks.services.audit import build_event, record
from risks.services.membership import deactivate

LIMIT = 100_000
"""Rows of one kind in an export; more than anybody makes by hand."""
IN_MEMORY = 5_000_000


# --- taking it out


def export_person(user: User) -> IO[bytes]:
    """A ZIP of all that is kept about the person, open at its beginning; that they took it is written down.

    Of teams they have left: what they wrote themselves, but not what belongs to the team.
    """
    with transaction.atomic():
        _record_export(user)
        file: Any = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", _readme(user))
            with archive.open("data.json", "w") as data:
                for piece in _json(_sections(user)):
                    data.write(piece.encode())
    file.seek(0)
    return file


def _record_export(user: User) -> None:
    roles: dict[int | None, str] = dict(user.memberships.active().values_list("team", "role"))
    AuditEvent.objects.bulk_create(
        build_event(Verb.EXPORTED, user, by=Actor(user, team, Role(role)), subject=user, label="")
        for team, role in (roles or {None: Role.READER}).items()
    )


def _readme(user: User) -> str:
    lines = [
        _("What RiskReg keeps about %(name)s, as of %(moment)s.")
        % {"name": user, "moment": timezone.now().strftime("%Y-%m-%d %H:%M UTC")},
        "",
        _("data.json holds one list for each kind of record. Times are in UTC."),
        _("Of a team you have left you find what you wrote, but not the texts of the team’s risks."),
        _("Nobody can read your password here or anywhere: only a hash of it is kept, which is left out."),
    ]
    return "\r\n".join(lines) + "\r\n"


def _json(sections: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """One object, written row by row; no list is held in memory."""
    encode = DjangoJSONEncoder(ensure_ascii=False).encode
    opening = "{"
    for name, content in sections:
        yield f"{opening}\n{json.dumps(name)}: "
        opening = ","
        if isinstance(content, dict):
            yield encode(content)
            continue
        yield "["
        for number, row in enumerate(content):
            yield (",\n" if number else "\n") + encode(row)
        yield "\n]"
    yield "\n}\n"


def _sections(user: User) -> Iterator[tuple[str, Any]]:
    own = set(user.memberships.active().values_list("team", flat=True))
    mine = user.memberships.order_by("pk")
    yield "account", {
        name: getattr(user, name)
        for name in (
            "email", "name", "language", "theme", "time_zone", "digest_hour", "delivery", "is_staff",
            "joined_at", "last_login",
        )
    }  # fmt: skip
    yield "addresses", _rows(EmailAddress.objects.filter(user=user), "email", "verified", "primary")
    yield (
        "second_factors",
        _rows(Authenticator.objects.filter(user=user), "type", "created_at", "last_used_at"),
    )
    yield (
        "single_sign_on",
        _rows(
            SocialAccount.objects.filter(user=user),
            "provider",
            "uid",
            "extra_data",
            "date_joined",
            "last_login",
        ),
    )
    yield (
        "sessions",
        _rows(UserSession.objects.filter(user=user), "ip", "user_agent", "created_at", "last_seen_at"),
    )
    yield "memberships", _rows(mine, "role", "is_active", "created_at", team_name="team__slug")
    yield "invitations", _rows(
        Invitation.objects.filter(Q(accepted_by=user) | Q(invited_by=user) | Q(email__iexact=user.email)),
        "email", "role", "created_at", "expires_at", "accepted_at", "revoked_at", team_name="team__slug",
    )  # fmt: skip
    yield "saved_views", _rows(SavedView.objects.filter(user=user), "name", "query", team_name="team__slug")
    yield "follows", _rows(Follow.objects.filter(user=user), "wanted", risk_code="risk__code")
    texts = ("title_en", "title_zh")
    yield "owned_risks", _rows(
        Risk.objects.filter(owner=user).only("code", "state", "next_review_date"),
        "code", "state", "next_review_date", *texts, team_id="team_id", hide=(own, texts),
    )  # fmt: skip
    yield "owned_mitigations", _rows(
        Mitigation.objects.filter(owner=user),
        "state", "due_date", *texts, risk_code="risk__code", team_id="team_id", hide=(own, texts),
    )  # fmt: skip
    yield (
        "approved_acceptances",
        _rows(Acceptance.objects.filter(approver=user), "until_date", "accepted_at", risk_code="risk__code"),
    )
    yield "comments", _rows(
        Comment.objects.filter(author=user), "body", "created_at", "edited_at", "deleted_at",
        risk_code="risk__code",
    )  # fmt: skip
    yield (
        "comments_before_editing",
        _rows(CommentVersion.objects.filter(comment__author=user), "body", "replaced_at"),
    )
    yield "files", _rows(
        Attachment.objects.filter(added_by=user), "name", "content_type", "size", "sha256", "added_at",
        risk_code="risk__code",
    )  # fmt: skip
    yield "notices", _rows(
        Notice.objects.filter(user=user), "kind", "made_at", "read_at", "details", risk_code="risk__code",
        team_id="team_id", hide=(own, ("details",)),
    )  # fmt: skip
    words = ("object_label", "changes", "reason")
    yield "trail", _rows(
        AuditEvent.objects.filter(Q(actor=user) | Q(subject=user)),
        "happened_at", "verb", "origin", "object_type", "object_id", *words,
        team_id="team_id", by_yourself="actor_id", hide=(own, words), me=user.pk,
    )  # fmt: skip


def _rows(
    rows: QuerySet[Any],
    *names: str,
    hide: tuple[set[int], tuple[str, ...]] = (set(), ()),
    me: int | None = None,
    **renamed: str,
) -> Iterator[dict[str, Any]]:
    """Rows as dictionaries. `hide`: ids of the teams whose texts may be shown; the columns with texts."""
    known, texts = hide
    columns = [*names, *renamed.values()]
    for values in rows.order_by("pk").values_list(*columns)[:LIMIT].iterator(chunk_size=1000):
        row = dict(zip([*names, *renamed], values, strict=True))
        if texts and row["team_id"] is not None and row["team_id"] not in known:
            row = {name: value for name, value in row.items() if name not in texts}
        if "by_yourself" in row:
            row["by_yourself"] = row["by_yourself"] == me
        yield row


# --- taking it away


@transaction.atomic
def pseudonymise(person: User, *, by: Actor, empty_comments: bool = False) -> None:
    """Forget who the person was. What they did stays, under a number; nobody signs in with the account again.

    The lines of the trail name people by number only, so that none of them changes. What others have written
    about the person, and texts of theirs other than comments, stay as they are.
    """
    person = User.objects.select_for_update(of=("self",)).get(pk=person.pk)
    rules.check_can_pseudonymise(by, person)
    now = timezone.now()
    for membership in person.memberships.active().select_related("team"):
        deactivate(membership, by=Actor.operator(by.user, membership.team_id))  # type: ignore[arg-type]
    _forget_addresses(person)
    _forget_admin_log(person)
    _end_every_session(person)
    forget_ways_in(person)
    for rows in (Notice, SavedView, Follow, Mail):
        rows._default_manager.filter(user=person).delete()
    if empty_comments:
        _empty_comments(person, by=by, at=now)
    _forget_account(person, at=now)
    teams: list[int | None] = list(person.memberships.values_list("team", flat=True))
    for team in teams or [None]:
        record(Verb.PSEUDONYMISED, person, by=replace(by, team_id=team), subject=person, label="")


def _forget_addresses(person: User) -> None:
    """In the invitations that brought the person here, or should have."""
    known = EmailAddress.objects.filter(user=person).values_list(Lower("email"), flat=True)
    addresses = {person.email.lower(), *known}
    theirs = Invitation.objects.annotate(lower=Lower("email")).filter(
        Q(lower__in=addresses) | Q(accepted_by=person)
    )
    theirs.filter(accepted_at=None, revoked_at=None).update(revoked_at=timezone.now())
    Invitation.objects.filter(pk__in=list(theirs.values_list("pk", flat=True))).update(
        email=f"{person.pk}{FORMER}"
    )


def _forget_admin_log(person: User) -> None:
    """Django's own log of the admin site names what was edited."""
    about = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(User), object_id=str(person.pk)
    )
    about.update(object_repr=f"{person.pk}{FORMER}", change_message="")


def _end_every_session(person: User) -> None:
    """Also those of before sessions were listed; a session holds the address one signed in with."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    sessions = store.get_model_class().objects
    ended = []
    for session in sessions.iterator(chunk_size=500):
        if session.get_decoded().get("_auth_user_id") == str(person.pk):
            ended.append(session.pk)
    for first in range(0, len(ended), 500):
        sessions.filter(pk__in=ended[first : first + 500]).delete()


def _empty_comments(person: User, *, by: Actor, at: datetime) -> None:
    """As if the person had deleted them, with their files: an empty place stays."""
    comments = Comment.objects.filter(author=person)
    files = Attachment.objects.filter(comment__in=comments)
    for team in sorted(set(files.values_list("team", flat=True))):
        drop_files(files.filter(team=team), by=replace(by, team_id=team))
    CommentVersion.objects.filter(comment__in=comments).delete()
    links = RiskLink.objects.filter(comment__in=comments)
    ends = [pk for pair in links.values_list("source", "target") for pk in pair]
    links.delete()
    for pk in sorted(ends):
        Risk.objects.filter(pk=pk).update(link_count=F("link_count") - 1)
    said = comments.filter(deleted_at=None)
    said.update(body="", deleted_at=at, version=F("version") + 1)


def _forget_account(person: User, *, at: datetime) -> None:
    person.email, person.name = f"{person.pk}{FORMER}", ""
    person.language = person.time_zone = ""
    person.theme, person.delivery, person.digest_hour = Theme.AUTO, {}, 8
    person.is_active = person.is_staff = person.is_superuser = False
    person.last_login, person.pseudonymised_at = None, at
    person.set_unusable_password()
    person.save()
    person.groups.clear()
    person.user_permissions.clear()

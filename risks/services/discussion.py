"""Saying something about a risk: comments, whom they mention, and the risks they link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import strip_tags
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from risks import rules
from risks.enums import NoticeKind, Verb
from risks.exceptions import Conflict, Invalid
from risks.markdown import codes_in, name_people, people_in, render, resolve_names
from risks.models import Comment, CommentVersion, Notice, Risk, RiskLink
from risks.models.discussion import COMMENT_MAX_LENGTH
from risks.queries.discussion import Handles, followers_of, mentioned_members, read_handles
from risks.rules import Actor
from risks.services.attachment import add_files, drop_files, prepare_files
from risks.services.audit import record
from risks.services.notice import build_notices, tell

MOST_PEOPLE = 50
"""Whom one comment can mention."""
MOST_LINKS = 50
"""Risks that one comment links; further codes stay text."""

SHOWN = 5
"""Names that a message lists."""


@transaction.atomic
def add_comment(risk: Risk, text: str, *, by: Actor, at: datetime | None = None) -> Comment:
    """Say something, as typed: with people as `@Name`. Tells those it mentions, and who follows the risk.

    Raises NotAllowed, or Invalid if it is empty, too long or mentions somebody who is no active member.
    """
    rules.check_can_comment(by, risk)
    assert by.user is not None, "only people say something"  # noqa: S101  # nosec B101
    at = at or timezone.now()
    body = _read(text, risk.team_id)
    comment = Comment.objects.create(
        team_id=risk.team_id, risk=risk, author=by.user, body=body, created_at=at
    )
    _link(comment)
    Risk.objects.filter(pk=risk.pk).update(comment_count=F("comment_count") + 1)
    record(
        Verb.COMMENTED,
        comment,
        by=by,
        risk=risk,
        label=risk.code,
        changes={"body": [None, _digest(body)]},
        at=at,
    )
    mentioned = mentioned_members(comment)
    others = set(followers_of(risk)) - set(mentioned)
    tell(
        build_notices(NoticeKind.MENTION, mentioned, by=by, risk=risk, comment=comment, at=at)
        + build_notices(NoticeKind.COMMENT, others, by=by, risk=risk, comment=comment, at=at)
    )
    return comment


def add_comment_with_files(risk: Risk, text: str, files: Sequence[UploadedFile], *, by: Actor) -> Comment:
    """As `add_comment`, with files that belong to it: all of it or nothing."""
    with prepare_files(files, risk=risk, by=by) as prepared, transaction.atomic():
        comment = add_comment(risk, text, by=by)
        add_files(prepared, risk=risk, by=by, comment=comment)
    return comment


@transaction.atomic
def edit_comment(comment: Comment, text: str, *, by: Actor, seen_version: int | None = None) -> Comment:
    """Say it differently; what it said before is kept. Tells only those whom it did not mention before.

    Raises as `add_comment`, and Conflict if the comment is no longer the version seen.
    """
    current = _lock(comment)
    rules.check_can_change_comment(by, current)
    if seen_version is not None and seen_version != current.version:
        raise Conflict(
            _("This comment was changed elsewhere meanwhile. Compare both, then save yours or drop it.")
        )
    before = current.body
    body = _read(text, current.team_id, already=people_in(before))
    if body == before:
        return current
    now = timezone.now()
    CommentVersion.objects.create(comment=current, body=before, replaced_at=now)
    current.body, current.edited_at, current.version = body, now, current.version + 1
    current.save(update_fields=["body", "edited_at", "version"])
    _link(current)
    record(
        Verb.CHANGED, current, by=by, risk=current.risk, label=current.risk.code,
        changes={"body": [_digest(before), _digest(body)]}, at=now,
    )  # fmt: skip
    if set(people_in(body)) - set(people_in(before)):
        told = set(
            Notice.objects.filter(comment=current, kind=NoticeKind.MENTION).values_list("user", flat=True)
        )
        newly = [person for person in mentioned_members(current) if person.pk not in told]
        tell(build_notices(NoticeKind.MENTION, newly, by=by, risk=current.risk, comment=current, at=now))
    return current


@transaction.atomic
def delete_comment(comment: Comment, *, by: Actor) -> Comment:
    """Take it back: what it says and said is gone, its place stays."""
    current = _lock(comment)
    rules.check_can_change_comment(by, current)
    now, digest = timezone.now(), _digest(current.body)
    current.versions.all().delete()
    drop_files(current.attachments.all(), by=by)
    current.body, current.deleted_at, current.version = "", now, current.version + 1
    current.save(update_fields=["body", "deleted_at", "version"])
    _link(current)
    record(
        Verb.DELETED, current, by=by, risk=current.risk, label=current.risk.code,
        changes={"body": [digest, None]}, at=now,
    )  # fmt: skip
    return current


def typed_text(body: str, team_id: int) -> str:
    """A comment as its author typed it, with the names of today."""
    people = people_in(body)
    return name_people(body, read_handles(team_id, people).names) if people else body


def preview(text: str, team_id: int) -> tuple[str, str]:
    """The text as it would be kept, and what would be refused about its mentions."""
    return _resolve(_normal(text), read_handles(team_id))


def remove_links(risk: Risk) -> None:
    """Before a risk is deleted: those it is linked with count it no more."""
    pairs = RiskLink.objects.filter(source=risk).values_list("target", flat=True)
    others = [*pairs, *RiskLink.objects.filter(target=risk).values_list("source", flat=True)]
    for pk in sorted(others):
        Risk.objects.filter(pk=pk).update(link_count=F("link_count") - 1)


def _lock(comment: Comment) -> Comment:
    comments = Comment.objects.select_for_update(of=("self",)).select_related("risk__register")
    return comments.get(pk=comment.pk)


def _digest(body: str) -> str:
    """What the trail keeps of a text: enough to prove what it was, and nothing of it."""
    return sha256(body.encode()).hexdigest()


# --- what was typed


def _read(text: str, team_id: int, already: Iterable[int] = ()) -> str:
    """The text as it is kept. `already` are people it mentions, who may have left since."""
    text = _normal(text)
    _check(text)
    if "@" in text:
        handles = read_handles(team_id, already)
        text, refusal = _resolve(text, handles)
        people = set(people_in(text))
        if refusal or not people <= set(handles.ids.values()):
            raise Invalid(refusal or _not_members([f"@[{pk}]" for pk in people]), field="text")
        if len(people) > MOST_PEOPLE:
            raise Invalid(
                _("One comment can mention %(most)d people at most.") % {"most": MOST_PEOPLE}, field="text"
            )
    return text


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _check(text: str) -> None:
    if "\0" in text:
        raise Invalid(_("The text holds a NUL character, which cannot be kept. Remove it."), field="text")
    if len(text) > COMMENT_MAX_LENGTH:
        numbers = {"length": number_format(len(text)), "most": number_format(COMMENT_MAX_LENGTH)}
        raise Invalid(
            _("This is %(length)s characters long; a comment holds %(most)s. Shorten it or split it in two.")
            % numbers,
            field="text",
        )
    if not strip_tags(render(text, {}, {})).strip():
        raise Invalid(_("Write something first."), field="text")


def _resolve(text: str, handles: Handles) -> tuple[str, str]:
    """The text with ids for names, and why some names cannot stay."""
    names: dict[str, int | None] = {**dict.fromkeys(handles.unclear), **handles.ids}
    body, wrong = resolve_names(text, names)
    reasons = [_unclear(name, handles.unclear[name[1:]]) for name in wrong if name[1:] in handles.unclear]
    strangers = [name for name in wrong if name[1:] not in handles.unclear]
    return body, " ".join([*reasons, *([_not_members(strangers)] if strangers else [])])


def _not_members(names: list[str]) -> str:
    listed = pgettext("between the things of a list", ", ").join(names[:SHOWN]) + (
        " …" if names[SHOWN:] else ""
    )
    return ngettext(
        "%(names)s is not a member of this team. Write \\@ if nobody is meant.",
        "%(names)s are not members of this team. Write \\@ if nobody is meant.",
        len(names),
    ) % {"names": listed}


def _unclear(name: str, choices: Iterable[str]) -> str:
    return _("Several members are called %(name)s. Write whom you mean: %(choices)s.") % {
        "name": name[1:],
        "choices": pgettext("between the things of a list", ", ").join(f"@{choice}" for choice in choices),
    }


# --- what follows from it


def _link(comment: Comment) -> None:
    """Keep a row for each of the team's risks that the comment names, and the counts of both ends."""
    codes = list(dict.fromkeys(codes_in(comment.body)))[:MOST_LINKS]
    named = Risk.objects.filter(team=comment.team_id, code__in=codes).exclude(pk=comment.risk_id)
    now = set(named.values_list("pk", flat=True))
    before = set(comment.links.values_list("target", flat=True)) if comment.version > 1 else set()
    added, gone = now - before, before - now
    if not (added or gone):
        return
    # In one order and all at once: else two comments that name each other's risk could block each other.
    concerned = Risk.objects.filter(pk__in={comment.risk_id, *added, *gone})
    list(concerned.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    comment.links.filter(target__in=gone).delete()
    RiskLink.objects.bulk_create(
        RiskLink(source_id=comment.risk_id, target_id=pk, comment=comment) for pk in sorted(added)
    )
    for risks, step in ((added, 1), (gone, -1), ({comment.risk_id}, len(added) - len(gone))):
        if risks and step:
            Risk.objects.filter(pk__in=risks).update(link_count=F("link_count") + step)

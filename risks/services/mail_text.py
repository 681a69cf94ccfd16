"""What a mail looks like: text and HTML of the same lines, in the language and time zone of the person."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import ngettext

from risks.enums import Delivery, NoticeKind
from risks.models import Mail, Notice, User
from risks.queries.notice import inbox, with_sentence
from risks.services.delivery import delivery_of, unsubscribe_token, zone_of
from risks.services.links import absolute_url, domain, host
from risks.services.notice_text import sentence

SHOWN = 50
"""Lines of a digest; the others are counted, and in the inbox."""
SUBJECT_LENGTH = 150


def compose(mail: Mail) -> EmailMultiAlternatives | None:
    """The message, with what the person has not read yet and still may and wants to see; None without any.

    It names nobody but those who did what it tells of, and quotes no comment: who is a member reads it there.
    """
    person = mail.user
    if not person.is_active or person.pseudonymised_at:
        return None
    with translation.override(person.language or settings.LANGUAGE_CODE), timezone.override(zone_of(person)):
        notices = _still_wanted(mail, person)
        return _message(mail, person, notices) if notices else None


def _still_wanted(mail: Mail, person: User) -> list[Notice]:
    """An end of a membership is mailed, though the inbox hides what is of that team from then on."""
    mailed = Notice.objects.filter(user=person, mail=mail, read_at=None)
    shown = mailed.filter(Q(pk__in=inbox(person).values("pk")) | Q(kind=NoticeKind.TEAM, details__left=True))
    notices = with_sentence(shown).order_by("made_at", "pk")
    wanted = {kind for kind in NoticeKind if delivery_of(person, kind) != Delivery.OFF}
    return [notice for notice in notices if notice.kind in wanted]


def _message(mail: Mail, person: User, notices: list[Notice]) -> EmailMultiAlternatives:
    kinds = [kind for kind in NoticeKind if any(notice.kind == kind for notice in notices)]
    lines: list[dict[str, Any]] = [
        {
            "text": sentence(notice),
            "team": notice.team.name,
            "at": notice.made_at,
            "url": absolute_url(reverse("risks:notice", args=[notice.pk])),
        }
        for notice in notices[:SHOWN]
    ]
    subject = _subject(mail, lines[0]["text"], len(notices))
    context = {
        "subject": subject,
        "host": host(),
        "lines": lines,
        "more": len(notices) - len(lines),
        "inbox_url": absolute_url(reverse("risks:inbox")),
        "preferences_url": absolute_url(reverse("risks:profile")),
        "unsubscribe": [(kind.label, _unsubscribe_url(person, [kind])) for kind in kinds],
    }
    name = "digest" if mail.in_digest else "notice"
    message = EmailMultiAlternatives(
        subject,
        render_to_string(f"risks/mail/{name}.txt", context),
        to=[person.email],
        headers={
            "Message-ID": f"<{mail.pk}@{domain()}>",
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": f"<{_unsubscribe_url(person, kinds)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    message.attach_alternative(render_to_string(f"risks/mail/{name}.html", context), "text/html")
    return message


def _subject(mail: Mail, first: str, count: int) -> str:
    if mail.in_digest:
        text = ngettext("%(count)d thing new in RiskReg", "%(count)d things new in RiskReg", count)
        return text % {"count": count}
    return first if len(first) <= SUBJECT_LENGTH else first[: SUBJECT_LENGTH - 1] + "…"


def _unsubscribe_url(person: User, kinds: list[NoticeKind]) -> str:
    return absolute_url(reverse("risks:unsubscribe", args=[unsubscribe_token(person, kinds)]))

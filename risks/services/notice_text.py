"""What a notice says, in the language of the moment, and where it leads. For the inbox and for mail.

What `Notice.details` may hold, by kind; a missing key gives a plainer sentence:

- assignment: `mitigation` with its words `en`, `zh`
- change: `state` (of a risk or, with `mitigation`, `en`, `zh`, of that); `assessed` (the kind); `fields`
- both, of many things at once: how many `risks` and `mitigations`
- due: `what` (review, mitigation, acceptance, ended) and `date`; of a mitigation `en`, `zh`
- team: `role`, `joined`, `left`
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from risks.enums import Kind, MitigationState, NoticeKind, Role, State
from risks.formatting import day
from risks.models import Notice, Risk
from risks.models.translated import Text

PRODUCT = "RiskReg"


def sentence(notice: Notice) -> str:
    """Who did what, on one line."""
    words = {
        "actor": str(notice.actor or PRODUCT),
        "risk": str(notice.risk or ""),
        "team": str(notice.team),
        "mitigation": _words_of(notice.details),
    }
    return " ".join((_SENTENCES[NoticeKind(notice.kind)](notice.details, words) % words).split())


def target_of(notice: Notice) -> str:
    """The path of the page that the notice is about."""
    team = notice.team.slug
    if notice.risk:
        code = notice.risk.code
        if _has_comment(notice):
            return reverse("risks:comment-detail", args=[team, code, notice.comment_id])
        return reverse("risks:risk-detail", args=[team, code])
    if notice.kind == NoticeKind.ASSIGNMENT:
        page = "risks:risk-list" if notice.details.get("risks") else "risks:mitigation-list"
        return reverse(page, args=[team]) + "?owner=me"
    if notice.kind == NoticeKind.CHANGE:
        return reverse("risks:risk-list", args=[team]) + "?sort=-updated"
    return reverse("risks:overview", args=[team])


def _has_comment(notice: Notice) -> bool:
    return notice.comment is not None and notice.comment.deleted_at is None


def _words_of(details: dict[str, Any]) -> str:
    return str(Text(details.get("en", ""), details.get("zh", "")))


def _mention(details: dict[str, Any], words: dict[str, str]) -> str:
    return _("%(actor)s mentioned you on %(risk)s")


def _comment(details: dict[str, Any], words: dict[str, str]) -> str:
    return _("%(actor)s commented on %(risk)s")


def _assignment(details: dict[str, Any], words: dict[str, str]) -> str:
    if words["mitigation"]:
        return _("%(actor)s made you owner of the mitigation “%(mitigation)s” of %(risk)s")
    if words["risk"]:
        return _("%(actor)s made you owner of %(risk)s")
    words["things"] = _things(details)
    return _("%(actor)s made you owner of %(things)s")


def _things(details: dict[str, Any]) -> str:
    """Of many at once: how many."""
    risks, mitigations = int(details.get("risks", 0)), int(details.get("mitigations", 0))
    things = [
        *([ngettext("%d risk", "%d risks", risks) % risks] if risks else []),
        *([ngettext("%d mitigation", "%d mitigations", mitigations) % mitigations] if mitigations else []),
    ]
    return pgettext("between two things", " and ").join(things)


def _change(details: dict[str, Any], words: dict[str, str]) -> str:
    words["risk"] = words["risk"] or _things(details)
    if "mitigation" in details:
        if "state" in details:
            words["state"] = _label(MitigationState, details["state"])
            return _("%(actor)s set the mitigation “%(mitigation)s” of %(risk)s to “%(state)s”")
        return _("%(actor)s changed the mitigation “%(mitigation)s” of %(risk)s")
    if "state" in details:
        words["state"] = _label(State, details["state"])
        return _("%(actor)s set %(risk)s to “%(state)s”")
    if "assessed" in details:
        words["kind"] = _label(Kind, details["assessed"])
        return _("%(actor)s scored %(risk)s anew (%(kind)s)")
    if details.get("fields"):
        words["fields"] = pgettext("between the things of a list", ", ").join(_names_of(details["fields"]))
        return _("%(actor)s changed %(risk)s: %(fields)s")
    return _("%(actor)s changed %(risk)s")


def _due(details: dict[str, Any], words: dict[str, str]) -> str:
    what = details.get("what", "")
    words["date"] = day(date.fromisoformat(details["date"])) if "date" in details else ""
    return {
        "review": _("The review of %(risk)s is due: %(date)s"),
        "mitigation": _("The mitigation “%(mitigation)s” of %(risk)s is late: it was due on %(date)s"),
        "acceptance": _("The acceptance of %(risk)s ends on %(date)s"),
        "ended": _("The acceptance of %(risk)s has ended; the risk is open again and due for review"),
    }.get(what, _("Something about %(risk)s is due"))


def _team(details: dict[str, Any], words: dict[str, str]) -> str:
    if details.get("left"):
        return _("You are no longer a member of the team %(team)s")
    if "role" not in details:
        return _("%(actor)s changed your membership of the team %(team)s")
    words["role"] = _label(Role, details["role"])
    if details.get("joined"):
        return _("%(actor)s added you to the team %(team)s as %(role)s")
    return _("%(actor)s gave you another role in the team %(team)s: %(role)s")


_SENTENCES: dict[NoticeKind, Callable[[dict[str, Any], dict[str, str]], str]] = {
    NoticeKind.MENTION: _mention,
    NoticeKind.COMMENT: _comment,
    NoticeKind.ASSIGNMENT: _assignment,
    NoticeKind.CHANGE: _change,
    NoticeKind.DUE: _due,
    NoticeKind.TEAM: _team,
}


def _label(choices: Any, value: str) -> str:
    return str(choices(value).label) if value in choices.values else value


def _names_of(fields: list[str]) -> list[str]:
    """The fields of a risk as the reader calls them, each once: a text has a column per language."""
    names = []
    for field in fields:
        try:
            names.append(str(getattr(Risk._meta.get_field(field), "verbose_name", field)))
        except FieldDoesNotExist:
            names.append(field)
    return list(dict.fromkeys(names))

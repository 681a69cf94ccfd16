"""What one has been told, and the way out of being told by mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from risks.enums import Delivery, NoticeKind
from risks.formatting import day
from risks.htmx import render_page
from risks.models import Notice, User
from risks.queries.notice import inbox as inbox_of
from risks.queries.notice import with_sentence
from risks.services.delivery import read_token, set_delivery
from risks.services.notice import mark_read
from risks.services.notice_text import sentence, target_of
from risks.views.errors import refusal
from risks.views.security import own_view

PER_PAGE = 50
UNREAD = "unread"


@dataclass(frozen=True)
class Line:
    """One notice on the page."""

    notice: Notice
    text: str

    @property
    def is_unread(self) -> bool:
        return self.notice.read_at is None


@own_view
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """One's notices of all teams, newest first. ?show=unread and ?kind= narrow it."""
    return _render_inbox(request)


@own_view
@require_safe
def notice(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark a notice as read and go where it leads; of a team one has left it says so."""
    user: User = request.user  # type: ignore[assignment]
    own = get_object_or_404(with_sentence(Notice.objects.filter(user=user)), pk=_id(pk))
    if not inbox_of(user).filter(pk=own.pk).exists():
        return refusal(
            request,
            404,
            _("This is about the team %(team)s, of which you are no longer a member.")
            % {"team": own.team.name},
        )
    mark_read(user, own.pk)
    return redirect(target_of(own))


@own_view
@require_POST
def notice_read(request: HttpRequest, pk: int) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    get_object_or_404(inbox_of(user), pk=_id(pk))
    mark_read(user, pk)
    return _after_marking(request)


@own_view
@require_POST
def inbox_read(request: HttpRequest) -> HttpResponse:
    """Mark all as read, whatever the list shows just now."""
    count = mark_read(request.user)  # type: ignore[arg-type]
    text = ngettext("%(count)d notice marked as read.", "%(count)d notices marked as read.", count)
    messages.success(request, text % {"count": count})
    return _after_marking(request)


def _after_marking(request: HttpRequest) -> HttpResponse:
    """Back to the same list; htmx gets it in place."""
    if request.htmx:  # type: ignore[attr-defined]
        return _render_inbox(request)
    query = request.GET.urlencode()
    return redirect(reverse("risks:inbox") + (f"?{query}" if query else ""))


def _id(pk: int) -> int:
    """A number that the databases can hold, or none that they have."""
    return pk if pk < 2**63 else 0


def _render_inbox(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    show, kind = request.GET.get("show", ""), request.GET.get("kind", "")
    error = _unknown(show, kind)
    notices = with_sentence(inbox_of(user)).order_by("-made_at", "-pk")
    if error:
        notices = notices.none()
    if show == UNREAD:
        notices = notices.filter(read_at=None)
    if kind:
        notices = notices.filter(kind=kind)
    page = Paginator(notices, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "days": _by_day(page),
        "show": show,
        "kind": kind,
        "kinds": NoticeKind.choices,
        "error": error,
        "several_teams": len({each.team_id for each in page.object_list}) > 1,
        "query": query.urlencode(),
        "here": request.GET.urlencode(),
    }
    partials = {"inbox": "risks/inbox/_list.html"}
    return render_page(
        request, "risks/inbox/inbox.html", context, partials=partials, status=422 if error else 200
    )


def _unknown(show: str, kind: str) -> str:
    if show not in ("", UNREAD) or (kind and kind not in NoticeKind.values):
        return _("There is no such filter. Choose one of those offered.")
    return ""


def _by_day(page: Page[Notice]) -> list[tuple[str, list[Line]]]:
    today = timezone.localdate()
    names = {today: _("Today"), today - timedelta(days=1): _("Yesterday")}
    days = groupby(page.object_list, lambda each: timezone.localdate(each.made_at))
    return [
        (names.get(date, day(date)), [Line(each, sentence(each)) for each in its_notices])
        for date, its_notices in days
    ]


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Switch kinds of mail off by the link in a mail, without signing in.

    Mail clients POST here by themselves (RFC 8058), with neither cookie nor CSRF token: the signed token is
    the proof, and all that it allows is this. Looking at the page changes nothing.
    """
    found = read_token(token)
    if found is None:
        return refusal(
            request,
            404,
            _("This link is not complete. Copy all of it from the mail, or choose in your profile."),
        )
    person, kinds = found
    with translation.override(person.language or translation.get_language()):
        if request.method == "POST":
            set_delivery(person, kinds, Delivery.OFF)
        context = {"kinds": [kind.label for kind in kinds], "done": request.method == "POST"}
        response = render_page(request, "risks/inbox/unsubscribe.html", context)
        response["Content-Language"] = translation.get_language() or ""
    response["Cache-Control"] = "no-store"
    return response

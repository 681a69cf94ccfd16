"""The discussion of a risk, in its page and on one of its own; following; suggestions for mentions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from risks import rules
from risks.exceptions import Conflict, Invalid
from risks.formatting import ago
from risks.forms.discussion import CommentForm, NewCommentForm
from risks.htmx import render_page, requested_partial
from risks.markdown import CODE, NamedRisk
from risks.markdown import render as render_markdown
from risks.models import Comment, CommentVersion, Risk, User
from risks.models.translated import Text
from risks.queries.discussion import (
    Discussion,
    Links,
    page_of,
    read_discussion,
    read_links,
    suggest_handles,
    titles_of,
)
from risks.queries.risk import load_people
from risks.services.discussion import (
    add_comment_with_files,
    delete_comment,
    edit_comment,
    preview,
    typed_text,
)
from risks.services.follow import follows_by_default, set_follow
from risks.views.access import Scope, get_risk_or_404, team_view
from risks.views.attachment import FileLimits, show_files_of
from risks.views.dialog import render_act

SECTION = {"discussion": "risks/discussion/_section.html"}
BACK_LINKS_SHOWN = 20


_FORM: Mapping[str, Any] = {"preview": None, "editing": None, "other": False, "focus": None}
"""What the templates of comments ask for, where nothing else is said."""

# --- showing it


@dataclass(frozen=True)
class ShownComment:
    """A comment as it is drawn. `why_not`: why its author cannot change it; only authors see the buttons."""

    comment: Comment
    html: SafeString
    url: str
    when: str
    is_own: bool
    why_not: str

    @property
    def element(self) -> str:
        return f"comment-{self.comment.pk}"

    @property
    def edit_url(self) -> str:
        return f"{self.url}edit/"


@dataclass(frozen=True)
class BackLink:
    code: str
    risk: NamedRisk


def show_discussion(
    scope: Scope, risk: Risk, talk: Discussion, links: Links, people: Mapping[int, User]
) -> dict[str, Any]:
    """Context of the section and of the list of risks that name this one. No query.

    `people` has the authors and whom the comments mention.
    """
    names = {pk: str(person) for pk, person in people.items()}
    named = name_risks(scope, links.named)
    naming = name_risks(scope, links.naming)
    back_links = [BackLink(code, each) for code, each in sorted(naming.items(), key=_by_number)]
    return {
        "discussion": talk,
        "comments": [_show(scope, comment, names, named) for comment in talk.comments],
        "back_links": back_links[:BACK_LINKS_SHOWN],
        "back_links_more": len(back_links[BACK_LINKS_SHOWN:]),
        "discussion_url": reverse("risks:discussion", args=[scope.team.slug, risk.code]),
        "comment_form": NewCommentForm(),
        "files_limits": FileLimits(),
        "why_not_comment": rules.reason_against(rules.check_can_comment, scope.actor, risk),
        **_FORM,
    }


def name_risks(scope: Scope, titles: Mapping[str, Text]) -> dict[str, NamedRisk]:
    """What codes become links to."""
    slug = scope.team.slug
    return {
        code: NamedRisk(reverse("risks:risk-detail", args=[slug, code]) + scope.day_query, str(title))
        for code, title in titles.items()
    }


def codes_in_statement(scope: Scope, risk: Risk) -> dict[str, NamedRisk]:
    """Other risks that the statement names by code. One query, none if no key of a register stands in it."""
    keys = {register.key for register in (*scope.registers, *scope.archived)}
    text = f"{risk.cause}\n{risk.event}\n{risk.consequence}"
    codes = {code for code in CODE.findall(text) if code.split("-")[0] in keys} - {risk.code}
    return name_risks(scope, titles_of(scope.team.pk, codes))


def _by_number(item: tuple[str, Any]) -> tuple[str, int]:
    key, number = item[0].rsplit("-", 1)
    return key, int(number)


def _show(
    scope: Scope, comment: Comment, names: Mapping[int, str], named: Mapping[str, NamedRisk]
) -> ShownComment:
    is_own = scope.actor.is_(comment.author_id) and comment.deleted_at is None
    return ShownComment(
        comment,
        render_markdown(comment.body, names, named, reader=scope.user.pk),
        reverse("risks:comment-detail", args=[scope.team.slug, comment.risk.code, comment.pk]),
        ago(comment.created_at),
        is_own,
        rules.reason_against(rules.check_can_change_comment, scope.actor, comment) if is_own else "",
    )


# --- the section, and the page that holds nothing else


@team_view
def discussion(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    """A page of the comments; POST says something, or shows how it would look."""
    risk = get_risk_or_404(scope, code)
    if request.method != "POST":
        return _show_section(request, scope, risk, NewCommentForm(), page=_page(request))
    rules.check_can_comment(scope.actor, risk)
    form = NewCommentForm(request.POST, request.FILES)
    form.add_dropped(request)
    if form.is_valid():
        text = form.cleaned_data["text"]
        if "preview" in request.POST:
            return _show_section(request, scope, risk, form, preview=_preview(scope, risk, text))
        try:
            comment = add_comment_with_files(risk, text, form.cleaned_data["files"], by=scope.actor)
        except Invalid as error:
            form.add_error(error.field or "text", str(error.message))
        else:
            messages.success(request, _("Your comment is there."))
            return _added(request, scope, comment)
    return _show_section(request, scope, risk, form)


def _page(request: HttpRequest) -> int:
    page = request.GET.get("page", "1")
    if not (page.isascii() and page.isdigit() and 0 < len(page) < 6 and int(page)):
        raise Http404
    return int(page)


@dataclass(frozen=True)
class Preview:
    html: SafeString
    problem: str


def _preview(scope: Scope, risk: Risk, text: str) -> Preview:
    """How the text would look; links to other risks are drawn once it is saved, too."""
    body, problem = preview(text, scope.team.pk)
    shown = Comment(body=body, risk=risk)
    names = _names([shown])
    codes = set(CODE.findall(body)) - {risk.code}
    return Preview(render_markdown(body, names, name_risks(scope, titles_of(scope.team.pk, codes))), problem)


def _added(request: HttpRequest, scope: Scope, comment: Comment) -> HttpResponse:
    if requested_partial(request, SECTION):
        risk = get_risk_or_404(scope, comment.risk.code)
        return _saved(_show_section(request, scope, risk, NewCommentForm(), focus=comment.pk))
    return redirect(_place(scope, comment))


def _place(scope: Scope, comment: Comment, page: int = 1) -> str:
    """Address of a comment: in the page of its risk, or in the older page that holds it."""
    args = [scope.team.slug, comment.risk.code]
    if page == 1:
        return f"{reverse('risks:risk-detail', args=args)}#comment-{comment.pk}"
    return f"{reverse('risks:discussion', args=args)}?page={page}#comment-{comment.pk}"


def _saved(response: HttpResponse) -> HttpResponse:
    """Tells the page that what was typed is safe now."""
    response["HX-Trigger-After-Settle"] = "comment-saved"
    return response


def _show_section(
    request: HttpRequest, scope: Scope, risk: Risk, form: CommentForm, *, page: int = 1, **more: Any
) -> HttpResponse:
    talk = read_discussion(risk, page)
    people = load_people((talk.comments, "author"), also=talk.mentioned, team_id=scope.team.pk)
    context = {
        "risk": risk,
        **show_discussion(scope, risk, talk, read_links(risk, talk.comments), people),
        "comment_form": form,
        "shown_files": show_files_of(scope, risk),
        **more,
    }
    status = 422 if form.errors else 200
    template = "risks/discussion/discussion.html"
    return render_page(request, template, context, partials=SECTION, status=status)


# --- one comment


def _get_comment_or_404(scope: Scope, code: str, pk: int) -> Comment:
    risk = get_risk_or_404(scope, code)
    comment = get_object_or_404(Comment.objects.select_related("author"), risk=risk, pk=pk)
    comment.risk = risk
    return comment


@require_safe
@team_view
def comment_detail(request: HttpRequest, scope: Scope, code: str, pk: int) -> HttpResponse:
    """The lasting address of a comment: leads to where it stands now. For htmx the comment itself."""
    comment = _get_comment_or_404(scope, code, pk)
    if requested_partial(request, _in_place(comment)):
        return _show_comment(request, scope, comment)
    return redirect(_place(scope, comment, page_of(comment)))


@team_view
def comment_update(request: HttpRequest, scope: Scope, code: str, pk: int) -> HttpResponse:
    """Change one's own comment, in its place or on a page of its own."""
    comment = _get_comment_or_404(scope, code, pk)
    rules.check_can_change_comment(scope.actor, comment)
    ids = f"id_{comment.pk}_%s"
    if request.method != "POST":
        typed = {"text": typed_text(comment.body, scope.team.pk), "version": comment.version}
        form = CommentForm(initial=typed, auto_id=ids)
        form.fields["text"].widget.attrs["data-autofocus"] = True
        return _show_comment(request, scope, comment, form)
    form = CommentForm(request.POST, auto_id=ids)
    if form.is_valid():
        text, seen = form.cleaned_data["text"], form.cleaned_data["version"]
        if "preview" in request.POST:
            shown = _preview(scope, comment.risk, text)
            return _show_comment(request, scope, comment, form, preview=shown)
        try:
            comment = edit_comment(comment, text, by=scope.actor, seen_version=seen)
        except Invalid as error:
            form.add_error("text", str(error.message))
        except Conflict as error:
            form.add_error(None, str(error.message))
            comment = _get_comment_or_404(scope, code, pk)
            form.see(comment.version)
            return _show_comment(request, scope, comment, form, status=409, other=True)
        else:
            messages.success(request, _("Saved."))
            comment.risk.register = scope.register_of(comment.risk.register_id)
            if requested_partial(request, _in_place(comment)):
                return _saved(_show_comment(request, scope, comment))
            return redirect(_place(scope, comment, page_of(comment)))
    return _show_comment(request, scope, comment, form, status=422 if form.errors else 200)


def _in_place(comment: Comment) -> dict[str, str]:
    return {f"comment-{comment.pk}": "risks/discussion/_comment.html"}


def _show_comment(
    request: HttpRequest,
    scope: Scope,
    comment: Comment,
    form: CommentForm | None = None,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """One comment, or its form, for its place in the list; else as a page."""
    context = {
        "risk": comment.risk,
        "each": _shown_alone(scope, comment),
        "shown_files": show_files_of(scope, comment.risk),
        **_FORM,
        "comment_form": form,
        "editing": comment.pk if form else None,
        "focus": None if form else comment.pk,
        **more,
    }
    template = "risks/discussion/edit.html"
    return render_page(request, template, context, partials=_in_place(comment), status=status)


def _names(comments: Iterable[Comment]) -> dict[int, str]:
    mentioned = Discussion(list(comments)).mentioned
    return {pk: str(person) for pk, person in load_people(also=mentioned).items()}


@team_view
def comment_delete(request: HttpRequest, scope: Scope, code: str, pk: int) -> HttpResponse:
    """Asks first; what the comment said is gone, its place stays."""
    comment = _get_comment_or_404(scope, code, pk)
    rules.check_can_change_comment(scope.actor, comment)
    if request.method == "POST":
        delete_comment(comment, by=scope.actor)
        messages.success(request, _("Your comment is deleted."))
        return redirect(_place(scope, comment, page_of(comment)))
    context = {"risk": comment.risk, "each": _shown_alone(scope, comment)}
    return render_act(request, "risks/discussion/delete.html", _("Delete this comment?"), context)


@dataclass(frozen=True)
class ShownVersion:
    version: CommentVersion
    html: SafeString


@require_safe
@team_view
def comment_versions(request: HttpRequest, scope: Scope, code: str, pk: int) -> HttpResponse:
    """What a comment said before it was edited, for every member to read."""
    comment = _get_comment_or_404(scope, code, pk)
    versions = list(comment.versions.order_by("-replaced_at", "-id"))
    if not versions:
        raise Http404
    texts = [Comment(body=version.body) for version in versions]
    names = _names(texts)
    context = {
        "risk": comment.risk,
        "each": _shown_alone(scope, comment),
        "versions": [ShownVersion(each, render_markdown(each.body, names, {})) for each in versions],
    }
    heading = _("What this comment said before")
    return render_act(request, "risks/discussion/versions.html", heading, context)


def _shown_alone(scope: Scope, comment: Comment) -> ShownComment:
    links = read_links(comment.risk, [comment])
    return _show(scope, comment, _names([comment]), name_risks(scope, links.named))


# --- mentions and following


@require_safe
@team_view
def member_suggest(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Options of a listbox: active members whose name holds what was typed after the @."""
    handles = suggest_handles(scope.team, request.GET.get("q", "")[:100])
    return render(request, "risks/discussion/_suggestions.html", {"handles": handles})


@dataclass(frozen=True)
class Following:
    """Whether the reader follows a risk, why, and how many people do."""

    follows: bool
    count: int
    why: str


def show_following(scope: Scope, risk: Any) -> Following:
    """Of a risk that was read `with_following`."""
    default, choice = follows_by_default(risk, scope.actor), risk.follow_choice
    if choice is not None and choice != default:
        why = (
            _("You chose to follow this risk.")
            if choice
            else _("You muted this risk; mentions still reach you.")
        )
    elif not default:
        why = _("Follow this risk to hear of comments and changes.")
    elif scope.actor.is_(risk.owner_id):
        why = _("You follow this risk because you own it.")
    else:
        why = _("You follow this risk as a manager of the team.")
    return Following(default if choice is None else choice, risk.follower_count, why)


@require_POST
@team_view
def risk_follow(request: HttpRequest, scope: Scope, code: str) -> HttpResponse:
    """Follow a risk (`wanted=1`) or not (`wanted=0`)."""
    risk = get_risk_or_404(scope, code)
    wanted = request.POST.get("wanted", "")
    if wanted not in ("0", "1"):
        raise Invalid(_("Choose whether to follow the risk or not."))
    set_follow(risk, wanted == "1", by=scope.actor)
    if request.htmx:  # type: ignore[attr-defined]
        now = get_risk_or_404(scope, code, following=True)
        context = {"risk": risk, "following": show_following(scope, now)}
        return render(request, "risks/discussion/_follow.html", context)
    return redirect("risks:risk-detail", scope.team.slug, risk.code)

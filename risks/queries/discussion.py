"""What people say about a risk, who follows it, who can be mentioned, and which risks speak of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import BooleanField, Case, IntegerField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.expressions import RawSQL

from risks.enums import MANAGERS
from risks.markdown import people_in
from risks.models import Comment, Follow, Membership, Risk, RiskLink, Team, User
from risks.models.team import MembershipQuerySet
from risks.models.translated import Text

COMMENTS_SHOWN = 50
LINKS_READ = 3_000
SUGGESTED = 8


# --- comments


@dataclass(frozen=True)
class Discussion:
    """A page of a risk's comments, oldest first; page 1 holds the newest."""

    comments: Sequence[Comment] = ()
    page: int = 1
    has_older: bool = False

    @property
    def mentioned(self) -> set[int]:
        """Ids of the people whom its comments name."""
        return {pk for comment in self.comments for pk in people_in(comment.body)}


def read_discussion(risk: Risk, page: int = 1) -> Discussion:
    """One query, none if nobody has said anything. Authors are not loaded."""
    first = (page - 1) * COMMENTS_SHOWN
    if first >= risk.comment_count:
        return Discussion(page=page)
    newest = Comment.objects.filter(risk=risk).order_by("-created_at", "-id")
    found = list(newest[first : first + COMMENTS_SHOWN + 1])
    for comment in found:
        comment.risk = risk
    return Discussion(found[COMMENTS_SHOWN - 1 :: -1], page, len(found) > COMMENTS_SHOWN)


def page_of(comment: Comment) -> int:
    """The page of its risk's discussion that holds the comment. One query."""
    later = Q(created_at__gt=comment.created_at) | Q(created_at=comment.created_at, pk__gt=comment.pk)
    return Comment.objects.filter(later, risk=comment.risk_id).count() // COMMENTS_SHOWN + 1


# --- risks that speak of each other


@dataclass(frozen=True)
class Links:
    """Titles by code: of the risks that the shown comments name, and of those that name this one."""

    named: Mapping[str, Text] = field(default_factory=dict)
    naming: Mapping[str, Text] = field(default_factory=dict)


def read_links(risk: Risk, comments: Iterable[Comment]) -> Links:
    """One query, none if there are no links."""
    if not risk.link_count:
        return Links()
    rows = (
        RiskLink.objects.filter(Q(target=risk) | Q(comment__in=[comment.pk for comment in comments]))
        .order_by(Case(When(target=risk, then=1), default=0), "-id")
        .values_list("target_id", *(f"{end}__{name}" for end in ("source", "target") for name in _NAME))
    )
    named, naming = {}, {}
    for target_id, *names in rows[:LINKS_READ]:
        source, target = names[:3], names[3:]
        if target_id == risk.pk:
            naming[source[0]] = Text(*source[1:])
        else:
            named[target[0]] = Text(*target[1:])
    return Links(named, naming)


_NAME = ("code", "title_en", "title_zh")


def titles_of(team_id: int, codes: Iterable[str]) -> dict[str, Text]:
    """Of the team's risks that have one of the codes. One query, none without codes."""
    codes = list(codes)
    rows = Risk.objects.filter(team=team_id, code__in=codes).order_by().values_list(*_NAME) if codes else ()
    return {code: Text(english, chinese) for code, english, chinese in rows}


# --- who can be mentioned


def _members(team_id: int) -> MembershipQuerySet:
    """Memberships of those who can read what they are told of."""
    return Membership.objects.active().filter(team=team_id, user__is_active=True)


def mentioned_members(comment: Comment) -> list[User]:
    """Whom the comment mentions, without those who have left. One query, none if nobody."""
    members = _members(comment.team_id).filter(user__in=people_in(comment.body)).select_related("user")
    return [member.user for member in members]


@dataclass(frozen=True)
class Handles:
    """What stands for a person after an @: the name, with the address where several have the same name.

    `unclear` are those names in small letters, each with the handles to choose from.
    """

    ids: Mapping[str, int]
    unclear: Mapping[str, Sequence[str]]

    @property
    def names(self) -> dict[int, str]:
        return {pk: handle for handle, pk in self.ids.items()}


def read_handles(team_id: int, also: Iterable[int] = ()) -> Handles:
    """Of the active members, and of others who are in a text already. One query."""
    members = _members(team_id).values("user")
    people = list(User.objects.filter(Q(pk__in=members) | Q(pk__in=list(also))).only("name", "email"))
    often = Counter(str(person).lower() for person in people)
    ids: dict[str, int] = {}
    unclear: dict[str, list[str]] = {}
    for person in people:
        name = str(person)
        handle = name if often[name.lower()] == 1 else f"{name} ({person.email})"
        ids[handle] = person.pk
        if handle != name:
            unclear.setdefault(name.lower(), []).append(handle)
    return Handles(ids, unclear)


def suggest_handles(team: Team, typed: str) -> list[str]:
    """Handles of active members that hold what was typed; first those that begin with it. One query."""
    typed = typed.strip().lower()

    def place(handle: str) -> tuple[int, str]:
        low = handle.lower()
        begins = low.startswith(typed), any(word.startswith(typed) for word in low.split())
        return 0 if begins[0] else 1 if begins[1] else 2, low

    found = [handle for handle in read_handles(team.pk).ids if typed in handle.lower()]
    return sorted(found, key=place)[:SUGGESTED]


# --- who follows


def followers_of(risk: Risk) -> list[User]:
    """Active members who follow the risk. One query."""
    return [person for person, followed in audience([risk]) if followed]


def audience(
    risks: Sequence[Risk], owned_before: Mapping[int, int | None] | None = None
) -> list[tuple[User, list[Risk]]]:
    """Active members of the team with those of the risks that they follow; their owners in any case.

    `owned_before` names former owners by the risk's id; they follow it once more. One query for one risk,
    two for many.
    """
    if not risks:
        return []
    before = owned_before or {}
    members = _members(risks[0].team_id).select_related("user")
    choices: dict[tuple[int, int], bool | None] = {}
    if len(risks) == 1:
        [risk] = risks
        concerned = [pk for pk in (risk.owner_id, before.get(risk.pk)) if pk]
        chosen = Follow.objects.filter(user=OuterRef("user"), risk=risk).values("wanted")
        members = members.annotate(choice=Subquery(chosen[:1]))
        members = members.filter(Q(choice=True) | Q(role__in=MANAGERS) | Q(user__in=concerned))
        choices = {(each.user_id, risk.pk): each.choice for each in members}
    else:
        kept = Follow.objects.filter(risk__in=[risk.pk for risk in risks]).order_by()
        choices = {(user, risk): wanted for user, risk, wanted in kept.values_list("user", "risk", "wanted")}

    def follows(member: Membership, risk: Risk) -> bool:
        choice = choices.get((member.user_id, risk.pk))
        if choice is not None:
            return choice
        return member.role in MANAGERS or member.user_id in (risk.owner_id, before.get(risk.pk))

    return [(member.user, [risk for risk in risks if follows(member, risk)]) for member in members]


def with_following(risks: QuerySet[Risk], user: User) -> QuerySet[Risk]:
    """Annotates `follow_choice` of the user, and `follower_count`: parts of the risks' own query.

    The same as `audience`, in SQL: to build it by expressions takes four times as long as to read the risk.
    """
    # Constant text; the values are parameters.
    choice = RawSQL(_CHOICE, [user.pk], output_field=BooleanField(null=True))  # noqa: S611  # nosec B611
    count = RawSQL(_COUNT, sorted(MANAGERS), output_field=IntegerField())  # noqa: S611  # nosec B611
    return risks.annotate(follow_choice=choice, follower_count=count)


_CHOICE = "SELECT wanted FROM risks_follow WHERE risk_id = risks_risk.id AND user_id = %s"
_COUNT = """
SELECT COUNT(*) FROM risks_membership AS member
JOIN risks_user AS person ON person.id = member.user_id AND person.is_active = TRUE
LEFT JOIN risks_follow AS follow ON follow.risk_id = risks_risk.id AND follow.user_id = member.user_id
WHERE member.team_id = risks_risk.team_id AND member.is_active = TRUE
AND COALESCE(follow.wanted, member.role IN (%s, %s) OR member.user_id = risks_risk.owner_id)
"""

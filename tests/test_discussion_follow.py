"""Following a risk: who does, the button, and who is told of what."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from risks.enums import Kind, MitigationState, Origin, State
from risks.models import Follow, Membership, Notice, Register, Risk, User
from risks.models.translated import Text
from risks.queries.discussion import followers_of, with_following
from risks.rules import MOVES_BY_NAME, Actor
from risks.services.assessment import assess_risk
from risks.services.follow import set_follow
from risks.services.history import save_tracked
from risks.services.intake import log_risk
from risks.services.mitigation import add_mitigation, update_mitigation
from risks.services.risk import bulk_update_risks, create_risk, expire_acceptances, move_risk, update_risk
from tests.cast import Cast

MakeRisk = Callable[..., Risk]
PAGE = "/t/acme/risks/VOICE-1/"
FOLLOW = PAGE + "follow/"


@pytest.fixture
def risk(make_risk: MakeRisk, cast: Cast) -> Risk:
    risk = make_risk(title_en="Speech", owner=cast.owner, residual=(2, 2))
    Notice.objects.all().delete()
    return risk


def names(risk: Risk) -> list[str]:
    return sorted(person.name for person in followers_of(risk))


def told() -> list[tuple[str, str, dict[str, Any]]]:
    """Who was told of what, and clears the inbox."""
    rows = list(Notice.objects.order_by("kind", "user__name").values_list("user__name", "kind", "details"))
    Notice.objects.all().delete()
    return rows


def leave(user: User, cast: Cast) -> None:
    membership = Membership.objects.get(user=user, team=cast.team)
    membership.is_active = False
    save_tracked(membership, by=cast.actor(cast.administrator))


# --- who follows


def test_owner_and_managers_follow_others_by_choice_and_anyone_can_mute(cast: Cast, risk: Risk) -> None:
    assert names(risk) == ["Administrator", "Manager", "Owner"]
    set_follow(risk, True, by=cast.actor(cast.reader))
    set_follow(risk, False, by=cast.actor(cast.manager))
    set_follow(risk, False, by=cast.actor(cast.owner))
    assert names(risk) == ["Administrator", "Reader"]


def test_choice_that_is_the_default_is_not_kept(cast: Cast, risk: Risk) -> None:
    for person in (cast.reader, cast.manager):
        for wanted in (True, False, True, False, person == cast.manager):
            set_follow(risk, wanted, by=cast.actor(person))
    assert not Follow.objects.exists()


def test_somebody_who_left_or_is_switched_off_follows_nothing(cast: Cast, risk: Risk) -> None:
    leave(cast.owner, cast)
    User.objects.filter(pk=cast.administrator.pk).update(is_active=False)
    assert names(risk) == ["Manager"]


@pytest.mark.parametrize("owned", [True, False])
def test_count_on_the_page_is_of_those_who_follow(cast: Cast, risk: Risk, owned: bool) -> None:
    for person, wanted in ((cast.reader, True), (cast.contributor, False), (cast.manager, False)):
        Follow.objects.create(risk=risk, user=person, wanted=wanted)
    leave(cast.reader, cast)
    if not owned:
        update_risk(risk, {"owner": None}, by=cast.actor(cast.manager))
    read = with_following(Risk.objects.filter(pk=risk.pk), cast.manager).get()
    assert (read.follow_choice, read.follower_count) == (False, len(followers_of(read)))
    assert read.follower_count == 1 + owned


@pytest.mark.parametrize(
    ("person", "why", "button", "count"),
    [
        ("reader", "Follow this risk to hear of comments and changes.", "Follow", 3),
        ("owner", "You follow this risk because you own it.", "Unfollow", 3),
        ("manager", "You follow this risk as a manager of the team.", "Unfollow", 3),
    ],
)
def test_button_says_why_one_follows_and_how_many_do(
    cast: Cast, risk: Risk, person: str, why: str, button: str, count: int
) -> None:
    html = cast.client_for(getattr(cast, person)).get(PAGE).content.decode()
    found = re.search(r'id="follow-button" type="submit" title="(.*?)".*?</svg>(\w+) <.*?>(\d+)</span>', html)
    assert found
    assert found.groups() == (why, button, str(count))


def test_button_follows_and_mutes_plain_and_by_htmx(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    reader, manager = cast.client_for(cast.reader), cast.client_for(cast.manager)
    assert reader.post(FOLLOW, {"wanted": "1"}).headers["Location"] == PAGE
    assert reader.get(PAGE).context["following"].why == "You chose to follow this risk."
    html = manager.post(FOLLOW, {"wanted": "0"}, headers=htmx_headers("follow")).content.decode()
    assert html.strip().startswith('<form id="follow"')
    assert 'title="You muted this risk; mentions still reach you."' in html
    assert 'name="wanted" value="1"' in html
    assert names(risk) == ["Administrator", "Owner", "Reader"]


def test_button_refuses_nonsense_other_methods_and_other_teams(cast: Cast, risk: Risk) -> None:
    assert cast.client_for(cast.reader).post(FOLLOW, {"wanted": "maybe"}).status_code == 422
    assert cast.client_for(cast.reader).get(FOLLOW).status_code == 405
    assert cast.client_for(cast.outsider).post(FOLLOW, {"wanted": "1"}).status_code == 404
    assert not Follow.objects.exists()


# --- who is told of what


def test_move_tells_followers_but_not_who_moved(cast: Cast, risk: Risk) -> None:
    move_risk(risk, MOVES_BY_NAME["treat"], by=cast.actor(cast.owner))
    assert told() == [
        ("Administrator", "change", {"state": "treating"}), ("Manager", "change", {"state": "treating"}),
    ]  # fmt: skip


def test_notice_of_a_change_names_risk_and_event(cast: Cast, risk: Risk) -> None:
    move_risk(risk, MOVES_BY_NAME["treat"], by=cast.actor(cast.owner))
    notice = Notice.objects.get(user=cast.manager)
    assert (notice.risk, notice.actor, notice.team) == (risk, cast.owner, cast.team)
    assert notice.event is not None
    assert notice.event.changes == {"state": ["open", "treating"]}


def test_new_level_tells_followers_and_a_new_score_in_the_same_level_nobody(cast: Cast, risk: Risk) -> None:
    by, reason = cast.actor(cast.manager), Text("Worse")
    assess_risk(risk, Kind.RESIDUAL, 1, 2, by=by, reason=reason)
    assess_risk(risk, Kind.INHERENT, 5, 5, by=by, reason=reason)
    assert told() == []
    assess_risk(risk, Kind.RESIDUAL, 5, 5, by=by, reason=reason)
    details = {"assessed": "residual", "level": [1, 4]}
    assert told() == [("Administrator", "change", details), ("Owner", "change", details)]


def test_new_owner_is_told_of_that_and_the_former_with_the_followers(cast: Cast, risk: Risk) -> None:
    update_risk(risk, {"owner": cast.contributor}, by=cast.actor(cast.manager))
    assert told() == [
        ("Contributor", "assignment", {}),
        ("Administrator", "change", {"fields": ["owner"]}),
        ("Owner", "change", {"fields": ["owner"]}),
    ]
    update_risk(risk, {"title_en": "Other words"}, by=cast.actor(cast.manager))
    assert told() == []


def test_new_owner_who_muted_the_risk_is_told_of_it(cast: Cast, risk: Risk) -> None:
    Follow.objects.create(risk=risk, user=cast.contributor, wanted=False)
    update_risk(risk, {"owner": cast.contributor}, by=cast.actor(cast.manager))
    assert ("Contributor", "assignment", {}) in told()


def test_risk_logged_for_somebody_else_tells_them_once_with_its_mitigations(
    cast: Cast, register: Register
) -> None:
    mitigations: list[dict[str, Any]] = [{"kind": "prevention", "title_en": str(n)} for n in range(3)]
    mitigations[2]["owner"] = cast.contributor
    log_risk(
        register,
        {"title_en": "New", "owner": cast.owner},
        by=cast.actor(cast.manager),
        positions={},
        reason=Text(),
        mitigations=mitigations,
    )
    assert [(name, kind) for name, kind, _details in told() if kind == "assignment"] == [
        ("Contributor", "assignment"), ("Owner", "assignment"),
    ]  # fmt: skip


def test_own_new_risk_tells_nobody(cast: Cast, register: Register) -> None:
    create_risk(register, {"title_en": "Mine", "owner": cast.manager}, by=cast.actor(cast.manager))
    assert told() == []


def test_mitigation_tells_its_new_owner(cast: Cast, risk: Risk) -> None:
    by = cast.actor(cast.manager)
    values = {"kind": "prevention", "title_en": "Test", "title_zh": "测试", "owner": cast.reader}
    mitigation = add_mitigation(risk, values, by=by)
    words = {"mitigation": mitigation.pk, "en": "Test", "zh": "测试"}
    assert told() == [("Reader", "assignment", words)]
    update_mitigation(mitigation, {"owner": cast.contributor}, by=by)
    assert told() == [("Contributor", "assignment", words)]
    update_mitigation(mitigation, {"state": MitigationState.DONE}, by=by)
    update_mitigation(mitigation, {"owner": cast.manager}, by=by)
    leave(cast.reader, cast)
    update_mitigation(mitigation, {"owner": cast.reader}, by=by)
    assert told() == []


def test_end_of_an_acceptance_tells_the_followers(cast: Cast, make_risk: MakeRisk) -> None:
    make_risk(state=State.ACCEPTED, owner=cast.owner)
    Notice.objects.all().delete()
    assert expire_acceptances(date(2099, 1, 1)) == 1
    assert [name for name, kind, _details in told() if kind == "change"] == [
        "Administrator",
        "Manager",
        "Owner",
    ]


def test_demonstration_tells_nobody_of_changes(cast: Cast, risk: Risk) -> None:
    by = Actor(cast.manager, cast.team.pk, cast.actor(cast.manager).role, Origin.DEMO)
    move_risk(risk, MOVES_BY_NAME["treat"], by=by)
    update_risk(risk, {"owner": cast.contributor}, by=by)
    assert told() == []


# --- many at once


def test_many_moved_at_once_tell_each_follower_once(cast: Cast, make_risk: MakeRisk) -> None:
    risks = [make_risk(owner=[cast.owner, cast.contributor][n % 2]) for n in range(5)]
    Follow.objects.create(risk=risks[0], user=cast.reader)
    Follow.objects.create(risk=risks[1], user=cast.administrator, wanted=False)
    Notice.objects.all().delete()
    bulk_update_risks([r.pk for r in risks], {}, by=cast.actor(cast.manager), move=MOVES_BY_NAME["treat"])
    reader = Notice.objects.get(user=cast.reader)
    assert (reader.risk, reader.details) == (risks[0], {"state": "treating"})
    assert told() == [
        ("Administrator", "change", {"state": "treating", "risks": 4}),
        ("Contributor", "change", {"state": "treating", "risks": 2}),
        ("Owner", "change", {"state": "treating", "risks": 3}),
        ("Reader", "change", {"state": "treating"}),
    ]


def test_many_handed_over_at_once_tell_owners_and_followers_once(cast: Cast, make_risk: MakeRisk) -> None:
    risks = [make_risk(owner=cast.owner) for _n in range(4)] + [make_risk(owner=cast.reader)]
    Notice.objects.all().delete()
    bulk_update_risks([r.pk for r in risks], {"owner": cast.reader}, by=cast.actor(cast.manager))
    assert told() == [
        ("Reader", "assignment", {"risks": 4}),
        ("Administrator", "change", {"fields": ["owner"], "risks": 4}),
        ("Owner", "change", {"fields": ["owner"], "risks": 4}),
    ]


@pytest.mark.parametrize("values", [{}, {"owner": True}])
def test_many_at_once_make_no_more_queries_for_notices(
    cast: Cast, make_risk: MakeRisk, values: dict[str, Any]
) -> None:
    move = None if values else MOVES_BY_NAME["treat"]
    values = {"owner": cast.reader} if values else {}

    def notice_queries(number: int) -> int:
        ids = [make_risk(owner=cast.owner).pk for _n in range(number)]
        with CaptureQueriesContext(connection) as queries:
            bulk_update_risks(ids, values, by=cast.actor(cast.manager), move=move)
        tables = ("risks_follow", "risks_notice", "risks_membership")
        return sum(
            any(f'FROM "{t}"' in q["sql"] or f'INTO "{t}"' in q["sql"] for t in tables) for q in queries
        )

    assert notice_queries(2) == notice_queries(30) <= 4


def test_single_change_makes_two_more_queries_at_most(
    cast: Cast, risk: Risk, count_queries: Any, monkeypatch: Any
) -> None:
    def move(name: str) -> int:
        return count_queries(lambda: move_risk(risk, MOVES_BY_NAME[name], by=by, reason=Text("So")))

    by = cast.actor(cast.owner)
    cast.manager.delivery = cast.administrator.delivery = {"change": "digest"}
    told_cost = move("treat")
    monkeypatch.setattr("risks.services.risk.tell_of_change", lambda *args, **kwargs: None)
    assert told_cost - move("pause") <= 2

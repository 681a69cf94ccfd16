"""Roles, leaving, handing over: what the services allow, write down and tell."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from risks.enums import NoticeKind, Role, Verb
from risks.exceptions import Invalid, NotAllowed
from risks.models import AuditEvent, Membership, Mitigation, Notice, Risk, User
from risks.queries.people import active_administrators
from risks.rules import Actor
from risks.services import membership as service
from tests.cast import Cast
from tests.rows import change, create
from tests.threads import at_once


@pytest.fixture
def by(cast: Cast) -> Actor:
    return cast.actor(cast.administrator)


def _of(user: User) -> Membership:
    return user.memberships.get()


def _lines(*verbs: Verb) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(verb__in=verbs).order_by("id"))


# --- roles


def test_change_role_writes_version_line_and_notice(cast: Cast, by: Actor) -> None:
    service.change_role(_of(cast.reader), Role.MANAGER, by=by)

    assert _of(cast.reader).role == Role.MANAGER
    assert _of(cast.reader).history.first().role == Role.MANAGER
    line = AuditEvent.objects.latest("id")
    assert (line.verb, line.subject, line.actor, line.object_label, line.changes) == (
        Verb.CHANGED, cast.reader, cast.administrator, "", {"role": ["reader", "manager"]},
    )  # fmt: skip
    notice = Notice.objects.get(user=cast.reader)
    assert (notice.kind, notice.details, notice.event_id) == (NoticeKind.TEAM, {"role": "manager"}, line.pk)


def test_change_role_to_the_same_writes_nothing(cast: Cast, by: Actor) -> None:
    before = AuditEvent.objects.count()
    service.change_role(_of(cast.reader), Role.READER, by=by)

    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("role", ["reader", "contributor", "manager"])
def test_members_are_changed_by_administrators_only(cast: Cast, role: str) -> None:
    actor = cast.actor(cast.members[role])
    acts = [
        lambda: service.change_role(_of(cast.owner), Role.MANAGER, by=actor),
        lambda: service.deactivate(_of(cast.owner), by=actor),
        lambda: service.reactivate(_of(cast.owner), by=actor),
        lambda: service.hand_over(_of(cast.owner), cast.manager, by=actor),
        lambda: service.update_team(cast.team, {"name_en": "Mine"}, by=actor),
    ]
    for act in acts:
        with pytest.raises(NotAllowed):
            act()


def test_members_of_another_team_are_out_of_reach(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        service.change_role(_of(cast.reader), Role.MANAGER, by=cast.actor(cast.outsider))


def test_last_administrator_stays_one(cast: Cast, by: Actor) -> None:
    own = _of(cast.administrator)
    for act in (
        lambda: service.change_role(own, Role.MANAGER, by=by),
        lambda: service.deactivate(own, by=by),
        lambda: service.leave(own, by=by),
    ):
        with pytest.raises(NotAllowed) as refused:
            act()
        assert "A team needs an administrator" in str(refused.value)
    assert _of(cast.administrator).role == Role.ADMINISTRATOR


def test_administrator_whose_account_is_switched_off_does_not_count(cast: Cast, by: Actor) -> None:
    service.change_role(_of(cast.manager), Role.ADMINISTRATOR, by=by)
    User.objects.filter(pk=cast.manager.pk).update(is_active=False)

    with pytest.raises(NotAllowed):
        service.leave(_of(cast.administrator), by=by)


def test_second_administrator_may_leave(cast: Cast, by: Actor) -> None:
    service.change_role(_of(cast.manager), Role.ADMINISTRATOR, by=by)
    service.leave(_of(cast.administrator), by=by)

    assert [each.user for each in active_administrators(cast.team.pk)] == [cast.manager]


# --- leaving


def test_deactivated_member_keeps_history_and_sees_nothing(cast: Cast, by: Actor) -> None:
    client = cast.client_for(cast.reader)
    service.deactivate(_of(cast.reader), by=by)

    assert client.get("/t/acme/registers/").status_code == 404
    assert client.get("/").text.count("You are not a member of a team yet") == 1
    line = AuditEvent.objects.latest("id")
    assert (line.verb, line.subject, line.object_label) == (Verb.LEFT, cast.reader, "")
    assert _of(cast.reader).is_active is False


def test_leave_is_for_oneself(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        service.leave(_of(cast.reader), by=cast.actor(cast.manager))


def test_reactivated_member_has_the_former_role(cast: Cast, by: Actor) -> None:
    service.deactivate(_of(cast.manager), by=by)
    service.reactivate(_of(cast.manager), by=by)

    assert (_of(cast.manager).is_active, _of(cast.manager).role) == (True, Role.MANAGER)
    lines = _lines(Verb.LEFT, Verb.JOINED)
    assert [(line.verb, line.changes) for line in lines if line.subject == cast.manager] == [
        (Verb.LEFT, {"role": ["manager", None]}),
        (Verb.JOINED, {"role": [None, "manager"]}),
    ]


def test_somebody_switched_off_is_not_reactivated(cast: Cast, by: Actor) -> None:
    service.deactivate(_of(cast.manager), by=by)
    User.objects.filter(pk=cast.manager.pk).update(is_active=False)

    with pytest.raises(Invalid):
        service.reactivate(_of(cast.manager), by=by)


# --- handing over


def test_hand_over_gives_all_that_somebody_must_look_after(cast, by, make_risk, make_mitigation) -> None:
    risks = [make_risk(owner=cast.owner), make_risk(owner=cast.owner, state="accepted")]
    closed = make_risk(owner=cast.owner, state="closed")
    foreign = make_risk(owner=cast.contributor)
    theirs = make_mitigation(foreign, owner=cast.owner)
    done = make_mitigation(risks[0], owner=cast.owner, state="done")
    first = AuditEvent.objects.latest("id").pk

    handed = service.deactivate(_of(cast.owner), by=by, successor=cast.manager)

    assert handed == service.HandedOver(risks=2, mitigations=1)
    assert set(Risk.objects.filter(owner=cast.manager)) == set(risks)
    assert Risk.objects.get(pk=closed.pk).owner == cast.owner
    assert Mitigation.objects.get(pk=theirs.pk).owner == cast.manager
    assert Mitigation.objects.get(pk=done.pk).owner == cast.owner
    lines = list(AuditEvent.objects.filter(pk__gt=first).order_by("id"))
    assert [line.verb for line in lines] == ["changed"] * 3 + ["handed_over", "left"]
    swap = [{"user": cast.owner.pk}, {"user": cast.manager.pk}]
    assert [line.changes["owner"] for line in lines[:4]] == [swap] * 4
    assert [line.object_type for line in lines[:3]] == ["risk", "risk", "mitigation"]
    assert (lines[3].subject, lines[3].object_label) == (cast.owner, "")
    versions = Risk.history.filter(id=risks[0].pk).order_by("-history_id")
    assert versions[0].owner_id == cast.manager.pk
    notice = Notice.objects.get(kind=NoticeKind.ASSIGNMENT, user=cast.manager, risk=None)
    assert notice.details == {"risks": 2, "mitigations": 1}


def test_hand_over_of_thirty_makes_the_queries_of_two(
    cast, by, make_risk, make_mitigation, count_queries
) -> None:
    def give(number: int) -> None:
        for _ in range(number):
            make_mitigation(make_risk(owner=cast.owner), owner=cast.owner)

    give(2)
    few = count_queries(lambda: service.hand_over(_of(cast.owner), cast.manager, by=by))
    give(30)
    assert count_queries(lambda: service.hand_over(_of(cast.owner), cast.manager, by=by)) == few


def test_hand_over_makes_an_open_form_notice_the_change(cast, by, make_risk) -> None:
    risk = make_risk(owner=cast.owner)
    service.hand_over(_of(cast.owner), cast.manager, by=by)

    assert Risk.objects.get(pk=risk.pk).version == risk.version + 1


@pytest.mark.parametrize("name", ["reader", "owner", "outsider"])
def test_hand_over_to_who_may_not_own_is_refused(cast, by, make_risk, name: str) -> None:
    risk = make_risk(owner=cast.owner)
    with pytest.raises(Invalid) as refused:
        service.hand_over(_of(cast.owner), getattr(cast, name), by=by)

    assert refused.value.field == "successor"
    assert Risk.objects.get(pk=risk.pk).owner == cast.owner


def test_hand_over_leaves_archived_registers_alone(cast, by, register, make_risk) -> None:
    risk = make_risk(owner=cast.owner)
    change(type(register).objects.filter(pk=register.pk), archived_at=timezone.now())

    assert service.hand_over(_of(cast.owner), cast.manager, by=by) == service.HandedOver()
    assert Risk.objects.get(pk=risk.pk).owner == cast.owner


def test_nothing_is_handed_over_if_the_member_must_stay(cast, by, make_risk) -> None:
    risk = make_risk(owner=cast.administrator)
    with pytest.raises(NotAllowed):
        service.leave(_of(cast.administrator), by=by, successor=cast.manager)

    assert Risk.objects.get(pk=risk.pk).owner == cast.administrator


# --- the team


def test_update_team_writes_what_changed(cast: Cast, by: Actor) -> None:
    service.update_team(cast.team, {"name_zh": "演示", "requires_second_factor": True}, by=by)

    cast.team.refresh_from_db()
    assert (cast.team.name_en, cast.team.name_zh, cast.team.requires_second_factor) == (
        "Demo team", "演示", True,
    )  # fmt: skip
    assert AuditEvent.objects.latest("id").changes == {
        "name_zh": ["", "演示"], "requires_second_factor": [False, True],
    }  # fmt: skip


# --- at the same time


@pytest.fixture
def two_administrators(cast: Cast) -> tuple[Membership, Membership]:
    change(Membership.objects.filter(user=cast.manager), role=Role.ADMINISTRATOR)
    return _of(cast.administrator), _of(cast.manager)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("act", ["demote each other", "leave", "deactivate each other"])
def test_two_administrators_at_once_leave_one(
    own_connections: None, two_administrators: tuple[Membership, Membership], act: str, turn: int
) -> None:
    first, second = two_administrators
    one, other = Actor.of(first), Actor.of(second)
    acts = {
        "demote each other": (
            lambda: service.change_role(second, Role.READER, by=one),
            lambda: service.change_role(first, Role.READER, by=other),
        ),
        "leave": (lambda: service.leave(first, by=one), lambda: service.leave(second, by=other)),
        "deactivate each other": (
            lambda: service.deactivate(second, by=one), lambda: service.deactivate(first, by=other),
        ),
    }  # fmt: skip
    ends = at_once(*acts[act])

    assert sorted(isinstance(end, NotAllowed) for end in ends) == [False, True]
    assert active_administrators(first.team_id).count() == 1


def test_members_of_the_demonstration_of_others_are_untouched(cast: Cast, by: Actor) -> None:
    """A person in two teams leaves one of them only."""
    create(Membership, team=cast.other_team, user=cast.reader, role=Role.MANAGER)
    service.deactivate(cast.reader.memberships.get(team=cast.team), by=by)

    assert cast.client_for(cast.reader).get("/t/other/registers/").status_code == 200
    assert timezone.now() - AuditEvent.objects.latest("id").happened_at < timedelta(minutes=1)

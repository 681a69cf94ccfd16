"""The demonstration: one team and three registers with seven months of history, relative to today."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from risks.enums import Kind, Origin, Role, State, Verb
from risks.exceptions import NotAllowed
from risks.models import Category, Matrix, Membership, Notice, Register, Risk, Team, User
from risks.models.translated import Text
from risks.rules import MOVES_BY_NAME, Actor
from risks.services.assessment import assess_risk
from risks.services.audit import record
from risks.services.discussion import add_comment
from risks.services.history import save_tracked
from risks.services.library import both, read_fixture
from risks.services.mitigation import add_mitigation
from risks.services.risk import create_risk, move_risk

PASSWORD = "riskreg-demo"  # noqa: S105
DOMAIN = "@demo.example"
TREATING_AFTER = timedelta(days=6)
TARGET_REASON = Text("Agreed when the risk was first scored", "首次评估时商定")

People = Mapping[str, User]


@transaction.atomic
def load_demo() -> bool:
    """Make the demonstration, if it is not there; only in demonstration mode. Returns whether it was made."""
    if not settings.DEMO:
        raise NotAllowed("The demonstration exists in demonstration mode only: set RISKREG_DEMO=1.")
    content = read_fixture("demo.yaml")
    if Team.objects.filter(slug=content["team"]["slug"]).exists():
        return False
    team = Team.objects.create(slug=content["team"]["slug"], **both(content["team"]["name"], "name"))
    first = max(risk["logged_days_ago"] for entry in content["registers"] for risk in entry["risks"])
    start = _days_ago(first + 1)
    record(Verb.CREATED, team, by=Actor.system(team.pk, Origin.DEMO), at=start)
    people = _load_people(team, content["people"], start)
    for entry in content["registers"]:
        _load_register(team, people, entry, start)
    _load_discussion(team, people, content["discussion"])
    return True


def _load_people(team: Team, entries: list[dict[str, Any]], start: datetime) -> People:
    password, by = make_password(PASSWORD), Actor.system(team.pk, Origin.DEMO)
    people = {}
    for entry in entries:
        people[entry["key"]] = user = User.objects.create(
            email=entry["email"],
            name=entry["name"],
            language=entry.get("language", ""),
            password=password if entry.get("login", True) else make_password(None),
            is_staff=entry["role"] == Role.ADMINISTRATOR,
            is_superuser=entry["role"] == Role.ADMINISTRATOR,
        )
        membership = Membership(team=team, user=user, role=entry["role"])
        save_tracked(membership, by=by, at=start)
        changes = {"role": [None, membership.role]}
        record(Verb.JOINED, membership, by=by, subject=user, label="", changes=changes, at=start)
    return people


def _load_register(team: Team, people: People, entry: dict[str, Any], start: datetime) -> None:
    register = Register(
        team=team,
        key=entry["key"],
        matrix=Matrix.objects.filter(team=None, key=entry["matrix"]).latest("version"),
        budget_amount=entry["budget"]["amount"],
        currency=entry["budget"]["currency"],
        **both(entry["name"], "name"),
        **both(entry["description"], "description"),
    )
    by = Actor.system(team.pk, Origin.DEMO)
    save_tracked(register, by=by, at=start)
    record(Verb.CREATED, register, by=by, register=register, at=start)
    for risk in entry["risks"]:
        _load_risk(register, people, risk)


def _load_risk(register: Register, people: People, entry: dict[str, Any]) -> None:
    """Replay one risk's life through the services, each act at its day."""
    owner = people.get(entry["owner"] or "")
    manager = _actor(register, people["manager"], Role.MANAGER)
    writer = _actor(register, owner or people["contributor"], Role.CONTRIBUTOR)
    logged = _days_ago(entry["logged_days_ago"])
    state = State(entry["state"])
    by = writer if state == State.DRAFT else manager
    risk = create_risk(register, _values(entry, owner), by=by, at=logged)
    acts = [_mitigation(risk, people, manager, item) for item in entry["mitigations"]]
    if state != State.DRAFT:
        acts += [
            *_scorings(risk, entry, manager, writer, logged),
            *_moves(risk, people, manager, entry, logged),
        ]
    for _at, act in sorted(acts, key=itemgetter(0)):
        act()


def _load_discussion(team: Team, people: People, entries: list[dict[str, Any]]) -> None:
    """What was said, as it was typed then. The inboxes have it; mails of back then are not sent now."""
    roles = {each.user_id: Role(each.role) for each in Membership.objects.filter(team=team)}
    for entry in sorted(entries, key=itemgetter("days_ago"), reverse=True):
        risk = Risk.objects.select_related("register").get(team=team, code=entry["risk"])
        author = people[entry["author"]]
        by = Actor(author, team.pk, roles[author.pk], Origin.DEMO)
        add_comment(risk, entry["text"], by=by, at=_days_ago(entry["days_ago"]))
    Notice.objects.filter(team=team).update(mail_due_at=None)


def _actor(register: Register, user: User, role: Role) -> Actor:
    return Actor(user, register.team_id, role, Origin.DEMO)


def _days_ago(days: int) -> datetime:
    """That many days before today, at an hour of work."""
    midday = timezone.localtime().replace(hour=9 + days % 8, minute=days * 7 % 60, second=0, microsecond=0)
    return min(midday - timedelta(days=days), timezone.now() - timedelta(minutes=1))


def _values(entry: dict[str, Any], owner: User | None) -> dict[str, Any]:
    category = Category.objects.get(team=None, parent=None, key=entry["category"])
    frequency, impact = entry.get("frequency") or {}, entry.get("impact") or {}
    due = entry.get("next_review_in_days")
    texts: dict[str, Any] = {}
    for name in ("title", "cause", "event", "consequence"):
        texts |= both(entry[name], name)
    return {
        **texts,
        "category": category,
        "subcategory": Category.objects.get(team=None, parent=category, key=entry["subcategory"]),
        "owner": owner,
        "strategy": entry["strategy"] or "",
        "frequency_kind": frequency.get("kind", "probability"),
        "frequency_low": frequency.get("low"),
        "frequency_high": frequency.get("high"),
        "impact_low": impact.get("low"),
        "impact_likely": impact.get("likely"),
        "impact_high": impact.get("high"),
        **({} if due is None else {"next_review_date": timezone.localdate() + timedelta(days=due)}),
    }


Act: TypeAlias = tuple[datetime, Callable[[], object]]


def _scorings(
    risk: Risk, entry: dict[str, Any], manager: Actor, writer: Actor, logged: datetime
) -> Iterator[Act]:
    if entry["inherent"]:
        yield logged, partial(assess_risk, risk, Kind.INHERENT, *entry["inherent"], by=manager, at=logged)
    for scoring in entry["residual"]:
        at = max(_days_ago(scoring["days_ago"]), logged)
        reason = Text(**scoring["reason"])
        yield at, partial(
            assess_risk, risk, Kind.RESIDUAL, *scoring["at"], by=writer, reason=reason, at=at
        )  # fmt: skip
    if entry["target"]:
        at = max(_days_ago(entry["residual"][0]["days_ago"]), logged)
        yield at, partial(
            assess_risk, risk, Kind.TARGET, *entry["target"], by=manager, reason=TARGET_REASON, at=at
        )  # fmt: skip


def _mitigation(risk: Risk, people: People, manager: Actor, item: dict[str, Any]) -> Act:
    today = timezone.localdate()

    def days(name: str, sign: int) -> Any:
        return None if item.get(name) is None else today + timedelta(days=sign * item[name])

    began = item.get("start_days_ago")
    at = max(_days_ago(began), risk.logged_at) if began is not None else risk.logged_at
    values = {
        "kind": item["kind"], "state": item["state"], "progress": item["progress"],
        "owner": people.get(item["owner"] or ""), "cost_amount": item.get("cost"),
        "start_date": days("start_days_ago", -1), "due_date": days("due_in_days", 1),
        **both(item["title"], "title"), **both(item.get("trigger"), "trigger"),
    }  # fmt: skip
    return at, partial(
        add_mitigation, risk, values, by=manager, at=at, done_date=days("done_days_ago", -1)
    )  # fmt: skip


def _moves(
    risk: Risk, people: People, manager: Actor, entry: dict[str, Any], logged: datetime
) -> Iterator[Act]:
    state = State(entry["state"])
    if state == State.TREATING:
        at = min(logged + TREATING_AFTER, timezone.now())
        yield at, partial(move_risk, risk, MOVES_BY_NAME["treat"], by=manager, at=at)
    elif state == State.ACCEPTED:
        acceptance = entry["acceptance"]
        at = max(_days_ago(acceptance["days_ago"]), logged)
        yield at, partial(
            move_risk, risk, MOVES_BY_NAME["accept"], by=manager, at=at,
            reason=Text(**acceptance["reason"]), approver=people[acceptance["approver"]],
            until=timezone.localdate() + timedelta(days=acceptance["until_in_days"]),
        )  # fmt: skip
    elif state == State.CLOSED:
        closing = entry["closing"]
        at = max(_days_ago(closing["days_ago"]), logged)
        yield at, partial(
            move_risk, risk, MOVES_BY_NAME["close"], by=manager, at=at, reason=Text(**closing["reason"])
        )  # fmt: skip

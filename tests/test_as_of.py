"""A register on a past day: what its pages say of it is what they said then."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from risks.enums import Kind, MitigationState, Strategy
from risks.models import Category, Matrix, Mitigation, Register, Risk, User
from risks.models.translated import Text
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.mitigation import add_mitigation, delete_mitigation, update_mitigation
from risks.services.risk import bulk_update_risks, create_risk, delete_risk, move_risk, update_risk
from risks.services.team import create_register, update_register
from risks.tables import RiskTable

LIST, MATRIX = "/t/acme/risks/", "/t/acme/matrix/"
SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST = date(2026, 3, 1)
RANGES = {
    "frequency_low": 0.1, "frequency_high": 0.3,
    "impact_low": 0.01, "impact_likely": 0.02, "impact_high": 0.05,
}  # fmt: skip
EVERY_COLUMN = "&".join(f"columns={name}" for name in RiskTable.base_columns if name != "select")
NARROWINGS = (
    "state=draft&state=closed", "level=3&level=4", "category=technical", "owner=none", "late=any",
    "late=mitigation", "late=review", "unassessed=1", "moved=new", "moved=closed", "moved=up", "moved=down",
    "strategy=reduce&strategy=none&sort=title", "mine=1", "ending=1", "state=active&sort=-updated",
    "kind=inherent&probability=5", "kind=target&impact=2&sort=-owner", "q=speech&sort=state",
    "q=VOICE-2&sort=loss", "register=VOICE&sort=review", "register=TRANS&sort=category",
)  # fmt: skip


@pytest.fixture
def shanghai(settings) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    timezone.deactivate()


@dataclass
class Story:
    """What is done day by day, and what the pages say at the end of each."""

    cast: Any
    matrix: Matrix
    said: dict[date, dict[str, Any]] = field(default_factory=dict)

    def at(self, day: int, clock: str) -> Any:
        hour, minute, second = map(int, clock.split(":"))
        moment = datetime(FIRST.year, FIRST.month, FIRST.day, hour, minute, second, tzinfo=SHANGHAI)
        return time_machine.travel(moment + timedelta(days=day), tick=False)

    def actor(self, name: str) -> Any:
        return self.cast.actor(getattr(self.cast, name))

    def listen(self, day: int) -> None:
        """Keep what the pages say in the last second of the day."""
        with self.at(day, "23:59:59"):
            self.said[FIRST + timedelta(days=day)] = everything_said(self.cast)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def everything_said(cast: Any, day: date | None = None) -> dict[str, Any]:
    """Lists, matrices and the pages of the risks, today or as of the day; without what may be done there."""
    suffix = f"as_of={day}" if day else ""
    reader, manager = signed_in(cast.reader), signed_in(cast.manager)
    said: dict[str, Any] = {}
    for query in NARROWINGS:
        page = manager.get(f"{LIST}?{query}&{suffix}")
        if page.status_code == 422 or page.status_code == 404:
            continue  # a register that is not there yet
        table = page.context["table"]
        said[f"list?{query}"] = (table.total, [risk.code for risk in table.records])
    body = str(reader.get(f"{LIST}?{EVERY_COLUMN}&{suffix}").context["table"].body)
    said["rows"] = body.replace(f"?{suffix}", "") if day else body
    for kind in Kind:
        for query in ("", f"&category=technical&owner={cast.owner.pk}"):
            page = reader.get(f"{MATRIX}?kind={kind}{query}&arrows=1&{suffix}")
            said[f"matrix {kind}{query}"] = matrix_said(page) if page.status_code == 200 else None
    for code in re.findall(r"risks/([A-Z]+-\d+)/", body):
        page = reader.get(f"{LIST}{code}/?{suffix}")
        said[code] = risk_said(page)
    return said


def matrix_said(page: Any) -> Any:
    boards = [
        (
            {place: (cell.count, [chip.code for chip in cell.chips]) for place, cell in board.cells.items()},
            [(way.code, way.before.label, way.after.label) for way in arrows.ways],
        )
        for board, arrows in page.context["boards"]
    ]
    return boards, page.context["active"], page.context["unassessed"]


def risk_said(page: Any) -> Any:
    context = page.context
    risk = context["risk"]
    return {
        "statement": [risk.title, risk.cause, risk.event, risk.consequence],
        "facts": [
            str(risk.owner), str(risk.category), str(risk.subcategory), context["strategy"], context["loss"],
            risk.next_review_date, str(risk.created_by), risk.logged_at, risk.version, context["state"],
        ],
        "positions": [(str(each.level), each.score, each.words) for each in context["standings"]],
        "mitigations": [
            (each.pk, each.title, each.state, each.progress, str(each.owner), each.due_date, each.done_date)
            for each in context["mitigations"]
        ],
        "acceptance": str(context["acceptance"]),
        "history": [each.html for each in context["history"]],
        "activity": len(context["lines"]),
    }  # fmt: skip


@pytest.fixture
def story(cast, matrix, shanghai) -> Story:
    """Twelve days of two registers, with acts in the first and the last second of days."""
    story = Story(cast, matrix)
    technical = Category.objects.get(key="technical", parent=None)
    legal = Category.objects.filter(parent=None, team=None).exclude(pk=technical.pk).order_by("pk")[0]
    with story.at(0, "00:00:00"):
        voice = _register(story, "VOICE", matrix)
        first = _risk(story, voice, "Misheard speech", category=technical, owner=cast.owner, **RANGES)
        assess_risk(first, Kind.INHERENT, 5, 5, by=story.actor("manager"))
        assess_risk(first, Kind.RESIDUAL, 2, 2, by=story.actor("manager"))
    story.listen(0)
    with story.at(1, "23:59:59"):
        second = _risk(story, voice, "Latency", by="contributor", cause_en="speech is slow")
        planned = _mitigation(story, first, "Test with more speakers", due_date=FIRST + timedelta(days=3))
    story.listen(1)
    with story.at(2, "00:00:00"):
        assess_risk(first, Kind.RESIDUAL, 5, 4, by=story.actor("manager"), reason=Text("Worse", "更糟"))
        assess_risk(first, Kind.TARGET, 2, 2, by=story.actor("manager"))
    story.listen(2)
    with story.at(3, "10:00:00"):
        move_risk(second, MOVES_BY_NAME["confirm"], by=story.actor("manager"))
        trans = _register(story, "TRANS", matrix)
        third = _risk(story, trans, "Wrong register of speech", category=legal, owner=cast.manager)
        draft = _risk(story, voice, "A draft that will be deleted", by="contributor")
        assess_risk(draft, Kind.RESIDUAL, 1, 5, by=story.actor("contributor"))
        _mitigation(story, draft, "Goes with its draft", by="contributor")
    story.listen(3)
    with story.at(4, "23:59:59"):
        values = {"owner": cast.contributor, "title_en": "Misheard words", "category": legal}
        values["next_review_date"] = FIRST + timedelta(days=6)
        update_risk(first, values, by=story.actor("manager"))
        assess_risk(draft, Kind.RESIDUAL, 5, 5, by=story.actor("contributor"), reason=Text("Worse"))
    with story.at(4, "23:59:59"):
        begun = {"state": MitigationState.UNDER_WAY, "progress": 30}
        update_mitigation(planned, begun, by=story.actor("manager"))
    story.listen(4)
    with story.at(5, "00:00:00"):
        delete_risk(draft, by=story.actor("manager"))
        assess_risk(third, Kind.RESIDUAL, 3, 3, by=story.actor("manager"))
    story.listen(5)
    with story.at(6, "09:00:00"):
        move_risk(third, MOVES_BY_NAME["accept"], by=story.actor("manager"), reason=Text("Cheap"),
                  approver=cast.manager, until=FIRST + timedelta(days=20))  # fmt: skip
        bulk_update_risks([first.pk, second.pk], {"owner": cast.owner}, by=story.actor("manager"))
        _mitigation(story, second, "Late and pending", due_date=FIRST + timedelta(days=6))
    story.listen(6)
    with story.at(7, "23:59:59"):
        move_risk(first, MOVES_BY_NAME["close"], by=story.actor("manager"), reason=Text("Over"))
        update_risk(second, {"strategy": Strategy.REDUCE, "owner": None}, by=story.actor("manager"))
        update_register(trans, {"budget_amount": 5_000_000}, by=story.actor("administrator"))
    story.listen(7)
    with story.at(8, "00:00:00"):
        move_risk(first, MOVES_BY_NAME["reopen"], by=story.actor("manager"), reason=Text("Back"))
        update_mitigation(planned, {"state": MitigationState.DONE}, by=story.actor("manager"))
        move_risk(third, MOVES_BY_NAME["withdraw"], by=story.actor("manager"), reason=Text("Not so cheap"))
    story.listen(8)
    with story.at(9, "12:00:00"):
        assess_risk(first, Kind.RESIDUAL, 3, 2, by=story.actor("manager"), reason=Text("Better"))
        delete_mitigation(Mitigation.objects.get(title_en="Late and pending"), by=story.actor("manager"))
    story.listen(9)
    story.listen(33)  # what moved on the first days has left the thirty days
    return story


def _register(story: Story, key: str, matrix: Matrix) -> Register:
    values = {"key": key, "name_en": f"Register {key}", "matrix": matrix, "budget_amount": 10_000_000}
    return create_register(story.cast.team, values, by=story.actor("administrator"))


def _risk(story: Story, register: Register, title: str, by: str = "manager", **values: Any) -> Risk:
    return create_risk(register, {"title_en": title} | values, by=story.actor(by))


def _mitigation(story: Story, risk: Risk, title: str, by: str = "manager", **values: Any) -> Mitigation:
    fields = {"kind": "prevention", "title_en": title, "owner": story.cast.owner} | values
    return add_mitigation(risk, fields, by=story.actor(by))


def test_pages_as_of_a_day_say_what_they_said_at_its_end(story):
    days = list(story.said.values())
    assert all(before["rows"] != after["rows"] for before, after in pairwise(days))  # or it proves nothing
    for query in ("late=any", "moved=up", "moved=new", "moved=closed", "ending=1", "owner=none", "mine=1"):
        assert len({str(said[f"list?{query}"]) for said in days}) > 1, query
    with story.at(60, "08:00:00"):
        for day, said in story.said.items():
            now = everything_said(story.cast, day)
            assert now.keys() == said.keys()
            for what in said:
                assert (day, what, now[what]) == (day, what, kept(said[what]))


def kept(said: Any) -> Any:
    """Without the assessments of a draft that was deleted: they went with it, and its page says so."""
    if isinstance(said, dict) and said["statement"][0] == "A draft that will be deleted":
        return said | {"history": []}
    return said

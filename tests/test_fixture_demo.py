"""The demonstration content holds together: structure, dates, scores, ranges and a story in every register.

Plain YAML, no database: what the loader may rely on, and what the screens of the demonstration need to show.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from math import expm1
from pathlib import Path
from typing import Any

import pytest
import yaml

DEMO = yaml.safe_load((Path(__file__).parents[1] / "fixtures" / "demo.yaml").read_text(encoding="utf-8"))
PEOPLE = {person["key"]: person for person in DEMO["people"]}
REGISTERS = {register["key"]: register for register in DEMO["registers"]}

SUBCATEGORIES = {
    "technical": {"research", "data"},
    "market": {"competition", "demand"},
    "operational": {"cost", "people"},
    "regulatory": {"privacy", "fairness"},
}
KINDS = {"prevention", "contingency", "transfer", "diversification"}
STRATEGIES = {"avoid", "reduce", "transfer", "share", "accept"}
RISK_KEYS = {
    "number",
    "title",
    "cause",
    "event",
    "consequence",
    "category",
    "subcategory",
    "owner",
    "state",
    "strategy",
    "logged_days_ago",
    "next_review_in_days",
    "inherent",
    "target",
    "residual",
    "frequency",
    "impact",
    "mitigations",
}
MITIGATION_KEYS = {
    "kind",
    "title",
    "trigger",
    "owner",
    "state",
    "progress",
    "start_days_ago",
    "due_in_days",
    "cost",
}
LEVELS = ("low", "medium", "high", "critical")
# The lowest sum of indices of each level above the first.
LEVEL_STARTS = (5, 7, 9)
# Lower bound of each level of the log 5×5 matrix, with the upper bound of the last one.
PROBABILITY_BOUNDS = (0, 0.02, 0.07, 0.20, 0.50, 1)
IMPACT_BOUNDS = (0, 0.003, 0.01, 0.04, 0.15, 1)
MONTH_DAYS = 30
HAN = re.compile("[\u4e00-\u9fff]")

Record = dict[str, Any]
RISKS = [
    pytest.param(register, risk, id=f"{key}-{risk['number']}")
    for key, register in REGISTERS.items()
    for risk in register["risks"]
]
each_risk = pytest.mark.parametrize(("register", "risk"), RISKS)
each_register = pytest.mark.parametrize("register", REGISTERS.values(), ids=REGISTERS)


def level(score: list[int]) -> str:
    """Return the level of a cell of the log 5×5 matrix: a band of the sum of both indices."""
    return LEVELS[bisect_right(LEVEL_STARTS, sum(score))]


def is_score(score: object) -> bool:
    return isinstance(score, list) and len(score) == 2 and all(value in range(1, 6) for value in score)


def texts(node: object, path: str = "") -> Iterator[tuple[str, Record]]:
    """Yield every bilingual text below `node` with its path."""
    if isinstance(node, dict):
        if "en" in node or "zh" in node:
            yield path, node
        else:
            for key, value in node.items():
                yield from texts(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, f"{path}[{index}]")


def moves(register: Record) -> Iterator[tuple[int, int]]:
    """Yield (days ago, change of the sum of indices) for every re-scoring."""
    for risk in register["risks"]:
        for before, after in zip(risk["residual"], risk["residual"][1:], strict=False):
            yield after["days_ago"], sum(after["at"]) - sum(before["at"])


def mitigations(register: Record) -> list[Record]:
    return [mitigation for risk in register["risks"] for mitigation in risk["mitigations"]]


def is_late(mitigation: Record) -> bool:
    return mitigation["due_in_days"] < 0 and mitigation["state"] in {"planned", "under_way"}


def test_demo_team_and_registers_are_the_agreed_ones():
    assert set(DEMO) == {"team", "people", "registers", "discussion"}
    assert DEMO["team"]["slug"] == "demo"
    assert list(REGISTERS) == ["VOICE", "TRANS", "VISION"]
    assert len(DEMO["registers"]) == 3


def test_demo_discussion_is_by_people_who_may_comment_about_risks_there_were():
    logged = {
        f"{key}-{r['number']}": r["logged_days_ago"] for key, reg in REGISTERS.items() for r in reg["risks"]
    }
    for comment in DEMO["discussion"]:
        assert set(comment) == {"risk", "author", "days_ago", "text"}
        assert PEOPLE[comment["author"]]["role"] != "reader"
        assert 0 < comment["days_ago"] < logged[comment["risk"]]
    languages = {PEOPLE[comment["author"]]["language"] for comment in DEMO["discussion"]}
    assert languages == {"en", "zh-hans"}


def test_demo_people_have_one_login_per_role_and_fictional_names():
    logins = [person for person in DEMO["people"] if person.get("login", True)]
    assert {p["key"]: p["role"] for p in logins} == {
        role: role for role in ("reader", "contributor", "manager", "administrator")
    }
    assert set(PEOPLE) - {p["key"] for p in logins} == {"speech", "data", "finance", "legal"}
    assert len({p["name"] for p in DEMO["people"]}) == len(DEMO["people"]) == 8
    for person in DEMO["people"]:
        assert person["email"] == f"{person['key']}@demo.example"
        assert person["language"] in {"en", "zh-hans"}
        assert re.search(r"Example|Sample|Demo|示例|样本", person["name"])


def test_demo_texts_are_complete_in_both_languages():
    found = list(texts(DEMO))
    assert len(found) > 500
    for path, text in found:
        assert set(text) == {"en", "zh"}, path
        assert text["en"] == text["en"].strip() != "", path
        assert text["zh"] == text["zh"].strip() != "", path
        assert not HAN.search(text["en"]), path
        assert HAN.search(text["zh"]), path
        assert not re.search(r"[，。；：！？、（）]", text["en"]), path
        assert not re.search(r"[,;!?()]", text["zh"]), path


def test_demo_titles_are_unique_and_short():
    for language, longest in (("en", 90), ("zh", 40)):
        titles = [risk["title"][language] for register in DEMO["registers"] for risk in register["risks"]]
        assert len(set(titles)) == 60
        assert max(map(len, titles)) <= longest


@each_register
def test_register_has_twenty_risks_numbered_in_order_of_logging(register):
    risks = register["risks"]
    assert [risk["number"] for risk in risks] == list(range(1, 21))
    logged = [risk["logged_days_ago"] for risk in risks]
    assert logged == sorted(logged, reverse=True)
    assert register["matrix"] == "log-5x5"
    assert register["budget"]["currency"] == "CNY"
    assert register["budget"]["amount"] > 0


@each_register
def test_register_covers_taxonomy_states_strategies_and_kinds(register):
    risks = register["risks"]
    assert {risk["subcategory"] for risk in risks} == set().union(*SUBCATEGORIES.values())
    states = Counter(risk["state"] for risk in risks)
    assert states == {"draft": 2, "open": 5, "treating": 8, "accepted": 2, "closed": 3}
    assert {risk["strategy"] for risk in risks} - {None} == STRATEGIES
    assert {mitigation["kind"] for mitigation in mitigations(register)} == KINDS
    assert {mitigation["state"] for mitigation in mitigations(register)} >= {"planned", "under_way", "done"}


@each_register
def test_register_levels_today_are_spread(register):
    today = [risk["residual"][-1]["at"] for risk in register["risks"] if risk["residual"]]
    levels = Counter(map(level, today))
    assert len(today) == 17
    assert levels["critical"] in {1, 2}
    assert levels["high"] in {4, 5}
    assert levels["medium"] in {6, 7}
    assert levels["low"] in {3, 4}
    assert len({tuple(score) for score in today}) >= 12


@each_register
def test_register_moves_both_ways_in_each_of_seven_months(register):
    better, worse = set(), set()
    for days_ago, change in moves(register):
        month = (days_ago - 1) // MONTH_DAYS
        (better if change < 0 else worse if change > 0 else set()).add(month)
    assert better == worse == set(range(7))


@each_register
def test_register_has_late_overdue_new_and_ending_items(register):
    risks = register["risks"]
    assert sum(map(is_late, mitigations(register))) == 6
    reviews = [risk["next_review_in_days"] for risk in risks if risk["next_review_in_days"] is not None]
    assert sum(days < 0 for days in reviews) == 4
    assert 3 <= sum(risk["logged_days_ago"] <= MONTH_DAYS for risk in risks) <= 5
    ends = [risk["acceptance"]["until_in_days"] for risk in risks if "acceptance" in risk]
    assert [0 < days <= MONTH_DAYS for days in sorted(ends)] == [True, False]
    assert any(0 <= risk["closing"]["days_ago"] <= MONTH_DAYS for risk in risks if "closing" in risk)
    assert any(risk["residual"] and risk["frequency"] is None for risk in risks)
    unassessed = Counter(risk["state"] for risk in risks if not risk["residual"])
    assert unassessed == {"draft": 2, "open": 1}


@each_register
def test_register_leaves_no_role_without_work(register):
    owners = {risk["owner"] for risk in register["risks"]}
    assert {"contributor", "manager"} <= owners
    assert any(risk["state"] == "draft" and risk["owner"] is None for risk in register["risks"])


def test_demo_has_a_dropped_mitigation():
    states = Counter(m["state"] for register in DEMO["registers"] for m in mitigations(register))
    assert set(states) == {"planned", "under_way", "done", "dropped"}


@each_risk
def test_risk_has_exactly_the_fields_of_its_state(register, risk):
    extra = {"accepted": {"acceptance"}, "closed": {"closing"}}.get(risk["state"], set())
    assert set(risk) == RISK_KEYS | extra
    assert risk["subcategory"] in SUBCATEGORIES[risk["category"]]
    draft, unplanned = risk["state"] == "draft", risk["state"] in {"draft", "open"}
    assert risk["strategy"] in STRATEGIES | ({None} if unplanned else set())
    assert (risk["strategy"] == "accept") == (risk["state"] == "accepted")
    assert (risk["next_review_in_days"] is None) == (risk["state"] in {"draft", "closed"})
    if not (draft and risk["owner"] is None):
        assert PEOPLE[risk["owner"]]["role"] != "reader"


@each_risk
def test_risk_scores_are_valid_and_ordered(register, risk):
    scorings = risk["residual"]
    if not scorings:
        assert risk["state"] in {"draft", "open"}
        assert [risk[key] for key in ("inherent", "target", "frequency", "impact")] == [None] * 4
        return
    assert is_score(risk["inherent"])
    days = [scoring["days_ago"] for scoring in scorings]
    assert days == sorted(set(days), reverse=True)
    assert 0 <= days[-1] <= days[0] <= risk["logged_days_ago"]
    for scoring in scorings:
        assert set(scoring) == {"days_ago", "at", "reason"}
        assert is_score(scoring["at"])
        assert all(now <= before for now, before in zip(scoring["at"], risk["inherent"], strict=True))
    assert is_score(risk["target"])
    assert all(goal <= now for goal, now in zip(risk["target"], scorings[-1]["at"], strict=True))


@each_risk
def test_risk_ranges_are_ordered_and_agree_with_todays_score(register, risk):
    if risk["frequency"] is None or risk["impact"] is None:
        assert risk["frequency"] is None
        assert risk["impact"] is None
        return
    frequency, impact = risk["frequency"], risk["impact"]
    assert set(frequency) == {"kind", "low", "high"}
    assert set(impact) == {"low", "likely", "high"}
    assert frequency["kind"] in {"probability", "rate"}
    low, high = frequency["low"], frequency["high"]
    if frequency["kind"] == "rate":
        low, high = -expm1(-low), -expm1(-high)
    probability, severity = risk["residual"][-1]["at"]
    below, above = PROBABILITY_BOUNDS[probability - 1 : probability + 1]
    assert below <= low < high <= above
    assert 0 < impact["low"] < impact["likely"] < impact["high"] < 1
    assert IMPACT_BOUNDS[severity - 1] <= impact["likely"] <= IMPACT_BOUNDS[severity]


@each_risk
def test_risk_decisions_follow_the_last_scoring(register, risk):
    if "acceptance" in risk:
        acceptance = risk["acceptance"]
        assert set(acceptance) == {"reason", "approver", "days_ago", "until_in_days"}
        assert PEOPLE[acceptance["approver"]]["role"] in {"manager", "administrator"}
        assert 0 <= acceptance["days_ago"] <= risk["residual"][-1]["days_ago"]
        assert acceptance["until_in_days"] > 0
    if "closing" in risk:
        assert set(risk["closing"]) == {"reason", "days_ago"}
        closed = risk["closing"]["days_ago"]
        assert 0 <= closed <= risk["residual"][-1]["days_ago"]
        assert {m["state"] for m in risk["mitigations"]} <= {"done", "dropped"}
        assert all(m["done_days_ago"] >= closed for m in risk["mitigations"] if m["state"] == "done")


@each_risk
def test_risk_mitigations_are_complete_and_their_dates_ordered(register, risk):
    assert 1 <= len(risk["mitigations"]) <= 4 or (risk["state"] == "draft" and not risk["mitigations"])
    for mitigation in risk["mitigations"]:
        state, start, due = (mitigation[key] for key in ("state", "start_days_ago", "due_in_days"))
        assert set(mitigation) == MITIGATION_KEYS | ({"done_days_ago"} if state == "done" else set())
        assert mitigation["kind"] in KINDS
        assert (mitigation["trigger"] is not None) == (mitigation["kind"] == "contingency")
        assert PEOPLE[mitigation["owner"]]["role"] != "reader"
        assert mitigation["cost"] is None or mitigation["cost"] > 0
        progress = mitigation["progress"]
        if state == "planned":
            assert (progress, start) == (0, None)
            continue
        assert state in {"under_way", "done", "dropped"}
        assert progress == 100 if state == "done" else 0 < progress < 100
        assert 0 <= start <= risk["logged_days_ago"]
        assert due > -start
        if state == "done":
            assert 0 <= mitigation["done_days_ago"] <= start

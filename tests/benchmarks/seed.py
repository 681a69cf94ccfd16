"""Fills a database with one register of any size: believable, in both languages, the same every time.

The risks are spread evenly over the twelve months before now. What the services keep (positions, differences
between assessments, tallies, the search index, the audit trail, the versions) is as if they had written every
act.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from risks.enums import Kind, MitigationKind, MitigationState, Role, State, Strategy, Verb
from risks.models import (
    Acceptance,
    Assessment,
    AuditEvent,
    Indicator,
    Matrix,
    Membership,
    Mitigation,
    Register,
    Risk,
    StateChange,
    Team,
    Template,
    User,
)
from risks.models.search import index_risks
from risks.quant.matrix import rank
from risks.quant.ranges import expected_annual_loss
from risks.queries.library import suggested_cell
from risks.queries.matrix import load_matrix
from risks.rules import Actor
from risks.services.audit import build_event
from risks.services.history import save_tracked
from risks.services.tally import rebuild_tally
from tests.benchmarks.pages import KEY, PASSWORD, SIGN_IN, TEAM
from tests.rows import create

BATCH = 2_000
FIRST = "TEC-02"
"""Template of the first risk: the filters and searches of the benchmark find it in a register of any size."""
YEAR = timedelta(days=364)

PRODUCTS = [
    ("Voice assistant", "语音助手"), ("Translation", "机器翻译"), ("Image recognition", "图像识别"),
    ("Contract review", "合同审查"), ("Claims triage", "理赔分流"), ("Route planning", "路径规划"),
    ("Credit scoring", "信用评分"), ("Meeting notes", "会议纪要"), ("Code completion", "代码补全"),
    ("Call-centre coach", "客服辅导"), ("Demand forecast", "需求预测"), ("Drug screening", "药物筛选"),
]  # fmt: skip
PLACES = [
    ("Shanghai", "上海"), ("Beijing", "北京"), ("Shenzhen", "深圳"), ("Chengdu", "成都"),
    ("Hangzhou", "杭州"), ("Singapore", "新加坡"), ("Berlin", "柏林"), ("Paris", "巴黎"), ("London", "伦敦"),
    ("Toronto", "多伦多"),
]  # fmt: skip
PEOPLE = [
    "Lin Yue", "Wang Lei", "陈思远", "Anna Becker", "王雨桐", "James Carter", "赵子涵", "Sofia Rossi",
    "刘一鸣", "Peter Novak", "黄静怡", "Maria Silva", "周文博", "Tom Walker", "吴佳琪", "Emma Dubois",
    "徐浩然", "Jan de Vries", "孙梦瑶", "Olivia Brown",
]  # fmt: skip
STATES = {State.DRAFT: 5, State.OPEN: 40, State.TREATING: 35, State.ACCEPTED: 10, State.CLOSED: 10}
MITIGATION_STATES = {
    MitigationState.PLANNED: 30,
    MitigationState.UNDER_WAY: 40,
    MitigationState.DONE: 25,
    MitigationState.DROPPED: 5,
}
INDICATOR_COLUMNS = ("name_en", "name_zh", "unit_en", "unit_zh", "amber", "red", "bad_when", "position")
REASONS = [
    ("The pilot showed fewer errors than feared", "试点结果好于预期"),
    ("Two incidents in the last quarter", "上一季度发生两起事件"),
    ("New figures from operations", "运维部门提供了新数据"),
    ("The supplier has signed the new terms", "供应商已签署新条款"),
]


def seed(count: int) -> Register:
    """Make the team `bench` with the register `PERF` of so many risks. Needs the library."""
    with transaction.atomic():
        writer = _Writer.prepare(count)
    for first in range(1, count + 1, BATCH):
        with transaction.atomic():
            writer.write(range(first, min(first + BATCH, count + 1)))
    rebuild_tally(writer.register)
    return writer.register


@dataclass
class _Writer:
    """Writes risks in batches. What is random depends on a risk's number alone, not on how many there are."""

    count: int
    register: Register
    people: list[User]
    templates: list[Template]
    now: datetime
    random: Random = field(default_factory=Random)

    @classmethod
    def prepare(cls, count: int) -> _Writer:
        team = Team.objects.create(slug=TEAM, name_en="Benchmark", name_zh="性能测试")
        now = timezone.now()
        register = Register(
            team=team, key=KEY, name_en="All products", name_zh="全部产品", next_number=count + 1,
            matrix=Matrix.objects.filter(team=None, is_default=True).latest("version"),
            budget_amount=80_000_000,
        )  # fmt: skip
        save_tracked(register, by=Actor.system(team.pk), at=now - YEAR)
        library = Template.objects.filter(team=None).select_related("category", "subcategory")
        templates = list(library.prefetch_related("mitigations", "indicators").order_by("code"))
        first = [template.code for template in templates].index(FIRST)
        return cls(count, register, _people(team), templates[first:] + templates[:first], now)

    def write(self, numbers: range) -> None:
        risks = [self._risk(number) for number in numbers]
        acts = [(risk, self._assessments(risk)) for risk in risks]
        Risk.objects.bulk_create(risks)
        index_risks(risks)
        rows: dict[type[models.Model], list[Any]] = {
            model: [] for model in (Assessment, StateChange, Acceptance, Mitigation, Indicator, AuditEvent)
        }
        for risk, assessments in acts:
            for row in self._life(risk, assessments):
                rows[type(row)].append(row)
        for model, instances in rows.items():
            model._default_manager.bulk_create(instances)
        _write_versions(risks[0].pk, risks[-1].pk)

    def _risk(self, number: int) -> Risk:
        """One risk, not yet assessed, with nothing in it that needs the database."""
        self.random.seed(f"risk {number}")
        template = self.templates[(number - 1) % len(self.templates)]
        product, place = self.random.choice(PRODUCTS), self.random.choice(PLACES)
        release = f"{1 + number % 7}.{number % 23}"
        logged = self.now - YEAR * (1 - (number - 1) / self.count)
        state = _pick(self.random, STATES)
        risk = Risk(
            team_id=self.register.team_id, register=self.register, number=number, code=f"{KEY}-{number}",
            title_en=f"{template.title_en}: {product[0]} {release}, {place[0]}",
            title_zh=f"{template.title_zh}：{product[1]} {release}（{place[1]}）",
            cause_en=template.cause_en, cause_zh=template.cause_zh,
            event_en=template.event_en, event_zh=template.event_zh,
            consequence_en=template.consequence_en, consequence_zh=template.consequence_zh,
            template=template, category=template.category, subcategory=template.subcategory,
            owner=self.random.choice(self.people) if self.random.random() < 0.9 else None,
            created_by=self.people[1], state=state, strategy=template.strategy,
            frequency_kind=template.frequency_kind,
            frequency_low=template.frequency_low, frequency_high=template.frequency_high,
            impact_low=template.impact_low, impact_likely=template.impact_likely,
            impact_high=template.impact_high, logged_at=logged, updated_at=logged,
        )  # fmt: skip
        if state == State.ACCEPTED:
            risk.strategy = Strategy.ACCEPT
        if state not in (State.DRAFT, State.CLOSED):
            risk.next_review_date = self._day(-20, 90)
        risk.expected_loss = expected_annual_loss(
            template.frequency_low, template.frequency_high, template.impact_low, template.impact_high
        )
        return risk

    def _assessments(self, risk: Risk) -> list[Assessment]:
        """Inherent and residual soon after the risk was logged, residual again later; sets its positions."""
        self.random.seed(f"scores {risk.number}")
        matrix = load_matrix(self.register.matrix)
        probability, impact = suggested_cell(risk.template, matrix.grid) or (3, 3)
        inherent = (self._near(probability, -1, 1), self._near(impact, -1, 1))
        residual = (self._near(inherent[0], -2, 0), self._near(inherent[1], -1, 0))
        newest = (self._near(residual[0], -1, 1), self._near(residual[1], -1, 1))
        age = self.now - risk.logged_at
        scorings = [
            (Kind.INHERENT, inherent, risk.logged_at + age * 0.01),
            (Kind.RESIDUAL, residual, risk.logged_at + age * 0.02),
            (Kind.RESIDUAL, newest, risk.logged_at + age * self.random.uniform(0.3, 0.9)),
        ]
        made = []
        for index, (kind, position, at) in enumerate(scorings):
            cell = matrix.cell(*position)
            after, before = rank(cell.level, cell.score), getattr(risk, f"{kind}_rank")
            reason = self.random.choice(REASONS) if index == 2 else ("", "")
            made.append(
                Assessment(
                    register=self.register, kind=kind, matrix=self.register.matrix,
                    probability=cell.probability, impact=cell.impact, score=cell.score, level=cell.level,
                    rank=after, delta=after - before if before else 0,
                    reason_en=reason[0], reason_zh=reason[1], assessed_by=risk.created_by, assessed_at=at,
                )
            )  # fmt: skip
            for name in ("probability", "impact", "score", "level", "rank"):
                setattr(risk, f"{kind}_{name}", getattr(made[-1], name))
            risk.updated_at = at
        return made

    def _near(self, index: int, low: int, high: int) -> int:
        return min(5, max(1, index + self.random.randint(low, high)))

    def _day(self, first: int, last: int) -> date:
        """A day between so many before (negative) and after today."""
        return timezone.localdate(self.now) + timedelta(days=self.random.randint(first, last))

    def _life(self, risk: Risk, assessments: list[Assessment]) -> Iterator[models.Model]:
        """What else there is about a saved risk: every row, with the audit events that tell of them."""
        self.random.seed(f"life {risk.number}")
        by = Actor(self.people[1], risk.team_id, Role.MANAGER)
        yield build_event(Verb.CREATED, risk, by=by, risk=risk, at=risk.logged_at)
        for act in assessments:
            act.risk = risk
            yield act
            yield build_event(
                Verb.ASSESSED, risk, by=by, risk=risk, reason=act.reason, at=act.assessed_at,
                changes={act.kind: [None, [act.probability, act.impact]]},
            )  # fmt: skip
        yield from self._moves(risk, by, assessments[-1].assessed_at)
        chosen = self.random.sample(list(risk.template.mitigations.all()), self.random.randint(1, 2))
        for suggestion in chosen:
            yield self._mitigation(risk, suggestion)
        for suggestion in risk.template.indicators.all()[:2]:
            yield Indicator(risk=risk, **{name: getattr(suggestion, name) for name in INDICATOR_COLUMNS})

    def _moves(self, risk: Risk, by: Actor, after: datetime) -> Iterator[models.Model]:
        first = State.DRAFT if risk.state == State.DRAFT else State.OPEN
        common = {"risk": risk, "register": self.register, "moved_by": by.user}
        yield StateChange(to_state=first, moved_at=risk.logged_at, **common)
        if risk.state == first:
            return
        at, reason = after + (self.now - after) / 2, self.random.choice(REASONS)
        texts = {"reason_en": reason[0], "reason_zh": reason[1]}
        yield StateChange(from_state=first, to_state=risk.state, moved_at=at, **common, **texts)
        changes = {"state": [first, risk.state]}
        yield build_event(Verb.MOVED, risk, by=by, risk=risk, reason=reason[0], at=at, changes=changes)
        if risk.state == State.ACCEPTED:
            yield Acceptance(
                risk=risk, approver=self.people[0], until_date=self._day(10, 180),
                accepted_by=by.user, accepted_at=at, **texts,
            )  # fmt: skip

    def _mitigation(self, risk: Risk, suggestion: Any) -> Mitigation:
        state = _pick(self.random, MITIGATION_STATES)
        due = self._day(-120, -1) if state == MitigationState.DONE else self._day(-15, 150)
        progress = {MitigationState.DONE: 100, MitigationState.PLANNED: 0}
        return Mitigation(
            team_id=risk.team_id, register_id=risk.register_id, risk=risk, kind=suggestion.kind,
            title_en=suggestion.title_en, title_zh=suggestion.title_zh,
            trigger_en=suggestion.trigger_en if suggestion.kind == MitigationKind.CONTINGENCY else "",
            trigger_zh=suggestion.trigger_zh if suggestion.kind == MitigationKind.CONTINGENCY else "",
            owner=self.random.choice(self.people), state=state,
            progress=progress.get(state, self.random.randrange(10, 100, 10)),
            start_date=due - timedelta(days=60), due_date=due,
            done_date=due if state == MitigationState.DONE else None,
            cost_amount=self.random.randrange(5_000, 400_000, 5_000),
            created_at=risk.logged_at, updated_at=risk.logged_at,
        )  # fmt: skip


# --- versions: copies of the rows as they are now, in which what came later is taken back

_POSITION = {"probability": "NULL", "impact": "NULL", "score": "NULL", "level": "NULL", "rank": "0"}
_NO_INHERENT, _NO_RESIDUAL = (
    {f"{kind}_{name}": empty for name, empty in _POSITION.items()} for kind in (Kind.INHERENT, Kind.RESIDUAL)
)
_RESIDUAL = {f"residual_{name}": f"act.{name}" for name in _POSITION}
_FIRST_STATE = {"state": "CASE live.state WHEN 'draft' THEN 'draft' ELSE 'open' END"}
_THEN = {"updated_at": "act.assessed_at"}
_SCORED = (
    "JOIN risks_assessment act ON act.id ="
    " (SELECT {} FROM risks_assessment a WHERE a.risk_id = live.id AND a.kind = '{}')"
)
_MOVED = "JOIN risks_statechange act ON act.risk_id = live.id AND act.from_state <> ''"
_RISK_VERSIONS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("live.logged_at", "", _FIRST_STATE | _NO_INHERENT | _NO_RESIDUAL | {"updated_at": "live.logged_at"}),
    ("act.assessed_at", _SCORED.format("MIN(a.id)", "inherent"), _FIRST_STATE | _NO_RESIDUAL | _THEN),
    ("act.assessed_at", _SCORED.format("MIN(a.id)", "residual"), _FIRST_STATE | _RESIDUAL | _THEN),
    ("act.assessed_at", _SCORED.format("MAX(a.id)", "residual"), _FIRST_STATE),
    ("act.moved_at", _MOVED, {}),
)
"""When each was written, the act that it was written for, and the columns that were not yet as they are."""


def _write_versions(first: int, last: int) -> None:
    """Versions of the risks with these ids, oldest first, and of their mitigations; an INSERT each."""
    with connection.cursor() as cursor:
        for moment, act, columns in _RISK_VERSIONS:
            cursor.execute(_versions(Risk, moment, act, columns, "live.id"), [first, last])
        created = _versions(Mitigation, "live.created_at", "", {}, "live.risk_id")
        cursor.execute(created, [first, last])


def _versions(model: Any, moment: str, act: str, columns: dict[str, str], key: str) -> str:
    history = model.history.model
    names = [field.column for field in history.tracked_fields]
    values = [columns.get(name, f"live.{name}") for name in names]
    return (
        f"INSERT INTO {history._meta.db_table} ({', '.join(names)},"  # noqa: S608  # nosec B608 - names only
        " history_date, history_change_reason, history_type)"
        f" SELECT {', '.join(values)}, {moment}, '', '{'~' if act else '+'}'"
        f" FROM {model._meta.db_table} live {act} WHERE {key} BETWEEN %s AND %s ORDER BY live.id"
    )


def _pick(random: Random, weights: dict[Any, int]) -> Any:
    return random.choices(list(weights), list(weights.values()))[0]


def _people(team: Team) -> list[User]:
    """Twenty members; the second is the manager who signs in, the last two only read."""
    people = []
    for index, name in enumerate(PEOPLE):
        role = {0: Role.ADMINISTRATOR, 1: Role.MANAGER, 18: Role.READER, 19: Role.READER}.get(index)
        email = SIGN_IN if role == Role.MANAGER else f"member{index}@bench.example"
        user = User.objects.create_user(email, PASSWORD if role == Role.MANAGER else None, name=name)
        create(Membership, team=team, user=user, role=role or Role.CONTRIBUTOR)
        people.append(user)
    return people

"""Every named constraint of the database: refused in a sentence by validation, and by the database itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone, translation
from django.utils.functional import Promise

from risks.models import (
    Acceptance,
    AuditEvent,
    Category,
    Comment,
    Follow,
    Indicator,
    Invitation,
    LevelTally,
    Matrix,
    MatrixCell,
    MatrixLevel,
    MatrixStep,
    Membership,
    Mitigation,
    Notice,
    Register,
    Risk,
    RiskLink,
    SavedView,
    ScheduledRun,
    Seal,
    SealedLine,
    Team,
    Template,
    TemplateIndicator,
    TemplateMitigation,
    User,
)
from tests.rows import create, save

NAMELESS = {"name_en": "", "name_zh": ""}
UNTITLED = {"title_en": "", "title_zh": ""}
TODAY = date(2026, 5, 4)


@dataclass(frozen=True)
class Breach:
    """Values that break one constraint, and the sentence that says so; None where no form can break it."""

    constraint: str
    model: type[models.Model]
    values: dict[str, Any]
    message: str | None

    def __str__(self) -> str:
        return f"{self.constraint}-{','.join(map(str, self.values.values()))}"


FREQUENCY = "Give both ends of the frequency, the lower one first."
IMPACT = "Give all three impacts above zero, from the lowest to the highest."
THRESHOLDS = "The warning must come before the alarm in the bad direction."
TRIGGER = "A contingency needs its trigger: what has to happen to start it."

BREACHES = [
    Breach("risks_team_has_name", Team, NAMELESS, "Give the team a name in at least one language."),
    Breach("risks_user_email_once", User, {"email": "READER@acme.example"},
           "Somebody with this address is here already."),
    Breach("risks_membership_once", Membership, {},
           "This person is a member of the team already; change the role."),
    Breach("risks_category_key_once", Category, {"key": "technical"},
           "This key is taken at this place of the taxonomy."),
    Breach("risks_category_has_name", Category, NAMELESS,
           "Give the category a name in at least one language."),
    Breach("risks_category_not_its_parent", Category, {"id": 9999, "parent_id": 9999},
           "A category cannot be part of itself."),
    Breach("risks_template_code_once", Template, {"code": "TEC-01"},
           "Another template has this code; choose another."),
    Breach("risks_template_has_title", Template, UNTITLED,
           "Give the template a title in at least one language."),
    Breach("risks_template_frequency_range", Template, {"frequency_low": 0.1}, FREQUENCY),
    Breach("risks_template_frequency_range", Template,
           {"frequency_low": 0.3, "frequency_high": 0.2}, FREQUENCY),
    Breach("risks_template_frequency_range", Template,
           {"frequency_low": -0.1, "frequency_high": 0.2}, FREQUENCY),
    Breach("risks_template_probability_share", Template, {"frequency_low": 0.5, "frequency_high": 1.1},
           "A yearly probability lies between 0 and 1; 0.2 is one in five."),
    Breach("risks_template_impact_range", Template, {"impact_low": 0.1}, IMPACT),
    Breach("risks_template_impact_range", Template,
           {"impact_low": 0.1, "impact_likely": 0.3, "impact_high": 0.2}, IMPACT),
    Breach("risks_template_impact_range", Template,
           {"impact_low": 0, "impact_likely": 0.1, "impact_high": 0.2}, IMPACT),
    Breach("risks_templatemitigation_has_title", TemplateMitigation, UNTITLED,
           "Say in at least one language what is done."),
    Breach("risks_templatemitigation_has_trigger", TemplateMitigation, {"kind": "contingency"}, TRIGGER),
    Breach("risks_templateindicator_has_name", TemplateIndicator, NAMELESS,
           "Name the indicator in at least one language."),
    Breach("risks_templateindicator_thresholds", TemplateIndicator, {"amber": 3, "red": 2}, THRESHOLDS),
    Breach("risks_indicator_has_name", Indicator, NAMELESS, "Name the indicator in at least one language."),
    Breach("risks_indicator_thresholds", Indicator, {"amber": 3, "red": 2}, THRESHOLDS),
    Breach("risks_indicator_thresholds", Indicator, {"amber": 2, "red": 3, "bad_when": "below"}, THRESHOLDS),
    Breach("risks_matrix_version_once", Matrix, {"key": "log-5x5"},
           "This version of the matrix exists already."),
    Breach("risks_matrix_has_name", Matrix, NAMELESS, "Give the matrix a name in at least one language."),
    Breach("risks_matrixstep_once", MatrixStep, {"index": 1},
           "This position of the axis is taken; each may occur once."),
    Breach("risks_matrixstep_range", MatrixStep, {"low": 0.5, "high": 0.5},
           "The range must end above where it begins."),
    Breach("risks_matrixstep_has_name", MatrixStep, NAMELESS,
           "Give the level a word in at least one language."),
    Breach("risks_matrixlevel_once", MatrixLevel, {}, "This level is listed twice; keep one of them."),
    Breach("risks_matrixlevel_has_name", MatrixLevel, {"level": 4, **NAMELESS},
           "Give the level a word in at least one language."),
    Breach("risks_matrixcell_once", MatrixCell, {}, "This cell is listed twice; keep one of them."),
    Breach("risks_register_key_once", Register, {"key": "VOICE"},
           "The team has a register with this key; choose another."),
    Breach("risks_register_has_name", Register, NAMELESS,
           "Give the register a name in at least one language."),
    Breach("risks_register_budget_positive", Register, {"budget_amount": 0},
           "Ensure this value is greater than or equal to 1."),
    Breach("risks_risk_number_once", Risk, {"number": 1}, None),
    Breach("risks_risk_code_once", Risk, {"code": "VOICE-1"}, None),
    Breach("risks_risk_has_title", Risk, UNTITLED, "Give the risk a title."),
    Breach("risks_risk_subcategory_of_category", Risk, {"category": None},
           "Choose the category that the subcategory belongs to."),
    Breach("risks_risk_frequency_range", Risk, {"frequency_high": 0.1}, FREQUENCY),
    Breach("risks_risk_frequency_range", Risk, {"frequency_low": 0.3, "frequency_high": 0.2}, FREQUENCY),
    Breach("risks_risk_probability_share", Risk, {"frequency_low": 0.5, "frequency_high": 1.1},
           "A yearly probability cannot be above one hundred per cent."),
    Breach("risks_risk_impact_range", Risk, {"impact_low": 0.1, "impact_likely": 0.2}, IMPACT),
    Breach("risks_risk_impact_range", Risk,
           {"impact_low": 0.3, "impact_likely": 0.2, "impact_high": 0.4}, IMPACT),
    Breach("risks_acceptance_one_running", Acceptance, {}, None),
    Breach("risks_acceptance_has_reason", Acceptance,
           {"reason_en": "", "reason_zh": "", "ended_at": datetime(2026, 5, 4, 9, tzinfo=UTC)},
           "Say why the team can live with this risk."),
    Breach("risks_mitigation_has_title", Mitigation, UNTITLED, "Say what is done."),
    Breach("risks_mitigation_due_after_start", Mitigation,
           {"start_date": TODAY, "due_date": TODAY - timedelta(days=1)},
           "The due date lies before the start; move one of them."),
    Breach("risks_mitigation_has_trigger", Mitigation, {"kind": "contingency"}, TRIGGER),
    Breach("risks_mitigation_progress", Mitigation, {"progress": 101},
           "Ensure this value is less than or equal to 100."),
    Breach("risks_mitigation_cost", Mitigation, {"cost_amount": -1},
           "Ensure this value is greater than or equal to 0."),
    Breach("risks_leveltally_once", LevelTally, {}, None),
    Breach("risks_savedview_name_once", SavedView, {},
           "You have a view of this name; choose another."),
    Breach("risks_invitation_one_open", Invitation, {"email": "NEW@acme.example"},
           "This address has an invitation to the team already. Send that one again, or revoke it."),
    Breach("risks_comment_has_body", Comment, {"body": ""}, "Write something first."),
    Breach("risks_risklink_once", RiskLink, {}, None),
    Breach("risks_risklink_not_itself", RiskLink, {"target": None}, None),
    Breach("risks_follow_once", Follow, {}, None),
    Breach("risks_seal_number_once", Seal, {}, None),
    Breach("risks_sealedline_position_once", SealedLine, {}, None),
    Breach("risks_scheduledrun_once", ScheduledRun, {}, None),
    Breach("risks_notice_once", Notice, {}, None),
]  # fmt: skip


@pytest.fixture
def build(cast, make_risk, register) -> Callable[..., models.Model]:
    """A valid unsaved instance of any model, with some values replaced; its unique neighbours exist."""
    now, matrix = timezone.now(), register.matrix
    technical = Category.objects.get(key="technical")
    research = Category.objects.get(key="research")
    template = Template.objects.first()
    risk = make_risk(state="accepted")
    create(Category, pk=9999, key="looped", name_en="Looped")
    SavedView.objects.create(team=cast.team, user=cast.reader, name="Mine")
    LevelTally.objects.update_or_create(register=register, month_date=date(2026, 5, 1), level=1)
    other = make_risk()
    comment = Comment.objects.create(
        team=cast.team, risk=risk, author=cast.owner, body="See", created_at=now
    )  # fmt: skip
    RiskLink.objects.create(source=risk, target=other, comment=comment)
    Follow.objects.create(risk=risk, user=cast.owner)
    Notice.objects.create(user=cast.owner, team=cast.team, kind="due", made_at=now, key="due")
    ScheduledRun.objects.create(name="daily", due_at=now, queued_at=now)
    invitation = {"team": cast.team, "email": "new@acme.example", "created_at": now, "expires_at": now}
    Invitation.objects.create(secret_hash="a", **invitation)
    seal = Seal.objects.create(team=cast.team, number=1, lines=2, digest="a", sealed_at=now)
    first, second = AuditEvent.objects.order_by("pk")[:2]
    SealedLine.objects.create(event=first, seal=seal, position=1, digest="a")
    valid: dict[type[models.Model], dict[str, Any]] = {
        Team: {"slug": "third", "name_en": "Third"},
        User: {"email": "new@acme.example", "password": "x"},
        Membership: {"team": cast.team, "user": cast.reader},
        Category: {"key": "new", "name_en": "New"},
        Template: {"code": "NEW-1", "category": technical, "title_en": "New"},
        TemplateMitigation: {"template": template, "kind": "prevention", "title_en": "Test"},
        TemplateIndicator: {"template": template, "name_en": "Errors", "amber": 1, "red": 2},
        Indicator: {"risk": risk, "name_zh": "错误率", "amber": 1, "red": 2},
        Matrix: {"key": "new", "name_en": "New"},
        MatrixStep: {"matrix": matrix, "axis": "impact", "index": 6, "name_en": "Six", "low": 1, "high": 2},
        MatrixLevel: {"matrix": matrix, "level": 4, "name_en": "Critical", "tone": "red"},
        MatrixCell: {"matrix": matrix, "probability": 5, "impact": 5, "score": 10, "level": 4},
        Register: {"team": cast.team, "key": "NEW", "name_en": "New", "matrix": matrix},
        Risk: {
            "team": cast.team, "register": register, "number": 99, "code": "VOICE-99", "title_en": "New",
            "category": technical, "subcategory": research, "logged_at": now, "updated_at": now,
        },
        Acceptance: {
            "risk": risk, "approver": cast.manager, "reason_en": "Known", "until_date": TODAY,
            "accepted_at": now,
        },
        Mitigation: {
            "team": cast.team, "register": register, "risk": risk, "title_en": "Test", "created_at": now,
            "updated_at": now,
        },
        LevelTally: {"register": register, "month_date": date(2026, 5, 1), "level": 1},
        SavedView: {"team": cast.team, "user": cast.reader, "name": "Mine"},
        Invitation: {**invitation, "secret_hash": "b"},
        Comment: {
            "team": cast.team, "risk": risk, "author": cast.owner, "body": "See", "created_at": now,
        },
        RiskLink: {"source": risk, "target": other, "comment": comment},
        Follow: {"risk": risk, "user": cast.owner},
        Notice: {"user": cast.owner, "team": cast.team, "kind": "due", "made_at": now, "key": "due"},
        ScheduledRun: {"name": "daily", "due_at": now, "queued_at": now},
        Seal: {"team": cast.team, "number": 1, "lines": 1, "digest": "b", "sealed_at": now},
        SealedLine: {"event": second, "seal": seal, "position": 1, "digest": "b"},
    }  # fmt: skip

    def build(model: type[models.Model], **values: Any) -> models.Model:
        if values.get("target", other) is None:  # the risk itself
            values["target"] = risk
        instance = model(**valid[model] | values)
        instance._state.adding = "id" not in values
        return instance

    return build


def all_messages(error: ValidationError) -> list[str]:
    return [message for messages in error.message_dict.values() for message in messages]


@pytest.mark.parametrize("breach", [breach for breach in BREACHES if breach.message is not None], ids=str)
def test_constraint_broken_in_a_form_answers_with_its_sentence(build, breach):
    instance = build(breach.model, **breach.values)

    with pytest.raises(ValidationError) as refused:
        instance.full_clean(exclude=["active", "pending", "due_order"])

    assert breach.message in all_messages(refused.value)


@pytest.mark.parametrize("breach", BREACHES, ids=str)
def test_constraint_broken_past_the_forms_is_refused_by_the_database(build, breach):
    instance = build(breach.model, **breach.values)
    constraint = next(c for c in breach.model._meta.constraints if c.name == breach.constraint)

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        save(instance)

    assert names(constraint, breach.model, str(refused.value))


def names(constraint: models.BaseConstraint, model: type[models.Model], message: str) -> bool:
    """Whether the database's message names the constraint; of plain unique ones SQLite names the columns."""
    if constraint.name in message:
        return True
    fields = [model._meta.get_field(name).column for name in getattr(constraint, "fields", ())]
    return bool(fields) and ", ".join(f"{model._meta.db_table}.{column}" for column in fields) in message


def test_constraints_tested_are_all_there_are():
    named = {c.name for model in apps.get_app_config("risks").get_models() for c in model._meta.constraints}

    assert {breach.constraint for breach in BREACHES} == named


@pytest.mark.parametrize(
    "model",
    [Team, User, Category, Template, TemplateMitigation, TemplateIndicator, Indicator, Matrix, MatrixStep,
     Register, Risk, Mitigation],
)  # fmt: skip
def test_constraints_let_a_valid_instance_pass(build, model):
    instance = build(model)

    instance.full_clean(exclude=["active", "pending", "due_order"])
    save(instance)

    assert model.objects.filter(pk=instance.pk).exists()


def test_constraint_messages_are_marked_for_translation():
    """Each sentence is lazy, so that it is said in the reader's language."""
    constraints = {
        c.name: c for model in apps.get_app_config("risks").get_models() for c in model._meta.constraints
    }
    spoken = [constraints[b.constraint].violation_error_message for b in BREACHES if b.message]

    assert [text for text in spoken if not isinstance(text, Promise)] == []


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_constraint_messages_can_be_said_in_every_language(language):
    """They are formats: a lone per cent sign, in a translation too, raises ValueError instead."""
    with translation.override(language):
        for model in apps.get_app_config("risks").get_models():
            for constraint in model._meta.constraints:
                assert constraint.get_violation_error_message()


def test_risk_of_two_constraints_tells_of_both(build):
    risk = build(Risk, **UNTITLED, impact_low=1)

    with pytest.raises(ValidationError) as refused:
        risk.full_clean(exclude=["active"])

    assert refused.value.message_dict == {NON_FIELD_ERRORS: ["Give the risk a title.", IMPACT]}


@pytest.mark.parametrize("key", ["voice", "V", "1AB", "VOICE-2", "ABCDEFGHIJK", "VOICE\n"])
def test_register_key_of_a_wrong_shape_is_refused_in_a_sentence(build, key):
    with pytest.raises(ValidationError) as refused:
        build(Register, key=key).full_clean()

    assert "Use 2 to 10 capital letters or digits, such as VOICE." in refused.value.message_dict["key"]


@pytest.mark.parametrize("kind", ["probability", "rate"])
def test_risk_frequency_above_one_is_a_rate_only(build, kind):
    risk = build(Risk, frequency_kind=kind, frequency_low=1, frequency_high=3)

    if kind == "rate":
        risk.full_clean(exclude=["active"])
    else:
        with pytest.raises(ValidationError):
            risk.full_clean(exclude=["active"])

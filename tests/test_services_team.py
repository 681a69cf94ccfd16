"""The first account, teams, registers, and what people keep for themselves."""

import pytest
from django.core.exceptions import ValidationError

from risks.enums import Role, Verb
from risks.exceptions import Invalid, NotAllowed
from risks.models import AuditEvent, Matrix, Membership, Register, SavedView, Team, User
from risks.services.team import (
    create_register,
    create_team,
    delete_view,
    is_empty_installation,
    save_view,
    set_preferences,
    set_up_installation,
    update_register,
)

CODE = "sesame-1234"


@pytest.fixture
def first_visit(settings, matrix):
    """What the first visitor fills in; keywords replace parts of it."""
    settings.SETUP_CODE = CODE

    def visit(**changes):
        return set_up_installation(
            **{
                "code": CODE, "email": "First@Acme.example", "password": "correct horse", "name": "First",
                "team": {"slug": "first", "name_zh": "第一团队"},
                "register": {"key": "ONE", "name_en": "One", "matrix": matrix},
            } | changes
        )  # fmt: skip

    return visit


def test_set_up_installation_makes_account_team_and_register(first_visit):
    membership = first_visit()

    user = User.objects.get()
    assert (user.email, user.is_superuser, user.check_password("correct horse")) == (
        "first@acme.example", True, True,
    )  # fmt: skip
    assert (membership.user, membership.role, membership.team.slug) == (user, Role.ADMINISTRATOR, "first")
    assert list(membership.team.registers.values_list("key", flat=True)) == ["ONE"]
    lines = AuditEvent.objects.filter(team=membership.team).order_by("id")
    assert list(lines.values_list("object_type", flat=True)) == ["team", "membership", "register"]


def test_set_up_installation_a_second_time_is_refused(first_visit):
    first_visit()

    with pytest.raises(NotAllowed):
        first_visit(email="second@acme.example")
    assert User.objects.count() == 1


@pytest.mark.parametrize("code", ["", "wrong", CODE.upper(), "密码"])
def test_set_up_installation_with_a_wrong_code_is_refused(first_visit, code):
    with pytest.raises(Invalid) as refused:
        first_visit(code=code)

    assert refused.value.field == "code"
    assert is_empty_installation()


def test_set_up_installation_takes_the_code_with_spaces_around(first_visit):
    assert first_visit(code=f" {CODE} ").role == Role.ADMINISTRATOR


def test_set_up_installation_without_a_code_of_the_server_is_refused(first_visit, settings):
    settings.SETUP_CODE = ""

    with pytest.raises(Invalid):
        first_visit(code="")


def test_set_up_installation_with_a_bad_register_leaves_nothing(first_visit, matrix):
    with pytest.raises(ValidationError):
        first_visit(register={"key": "no", "name_en": "One", "matrix": matrix})

    assert is_empty_installation()
    assert not Team.objects.exists()


def test_create_team_makes_its_administrator(cast):
    membership = create_team({"slug": "new", "name_en": "New"}, administrator=cast.reader)

    created, joined = AuditEvent.objects.filter(team=membership.team).order_by("id")
    assert (membership.role, created.object_label) == ("administrator", "New")
    assert (joined.verb, joined.subject, joined.object_label) == ("joined", cast.reader, "")


def test_create_team_with_a_taken_slug_is_refused(cast):
    with pytest.raises(ValidationError):
        create_team({"slug": "acme", "name_en": "New"}, administrator=cast.reader)


def test_create_register_by_manager_is_refused(cast, matrix):
    with pytest.raises(NotAllowed):
        create_register(
            cast.team, {"key": "NEW", "name_en": "New", "matrix": matrix}, by=cast.actor(cast.manager)
        )


def test_create_register_in_another_team_is_refused(cast, matrix):
    with pytest.raises(NotAllowed):
        create_register(
            cast.team, {"key": "NEW", "name_en": "New", "matrix": matrix}, by=cast.actor(cast.outsider)
        )
    assert not Register.objects.filter(key="NEW").exists()


def test_update_register_writes_what_changed(cast, register):
    update_register(register, {"name_en": "Assistant", "currency": "CNY"}, by=cast.actor(cast.administrator))

    event = AuditEvent.objects.latest("id")
    assert (event.verb, event.register, event.changes) == (
        Verb.CHANGED, register, {"name_en": ["Voice assistant", "Assistant"]},
    )  # fmt: skip


def test_update_register_key_is_an_error_because_codes_begin_with_it(cast, register):
    with pytest.raises(TypeError):
        update_register(register, {"key": "NEW"}, by=cast.actor(cast.administrator))


def test_update_register_of_another_team_is_refused(cast, register):
    with pytest.raises(NotAllowed):
        update_register(register, {"name_en": "Mine"}, by=cast.actor(cast.outsider))


def test_update_register_matrix_before_any_score_is_exchanged(cast, register, make_risk):
    make_risk()

    updated = update_register(
        register, {"matrix": Matrix.objects.get(key="product-5x5")}, by=cast.actor(cast.administrator)
    )

    assert updated.matrix.key == "product-5x5"


def test_update_register_matrix_after_a_score_is_refused(cast, register, make_risk):
    make_risk(residual=(3, 3))

    with pytest.raises(Invalid) as refused:
        update_register(
            register, {"matrix": Matrix.objects.get(key="product-5x5")}, by=cast.actor(cast.administrator)
        )

    assert refused.value.field == "matrix"


def test_save_view_of_the_same_name_replaces_its_address(cast):
    save_view(cast.team, cast.reader, "Mine", "owner=me")
    save_view(cast.team, cast.reader, " Mine ", "owner=me&state=open")
    save_view(cast.team, cast.manager, "Mine", "late=1")

    assert list(SavedView.objects.order_by("user_id").values_list("user", "name", "query")) == sorted(
        [
            (cast.reader.pk, "Mine", "owner=me&state=open"),
            (cast.manager.pk, "Mine", "late=1"),
        ]
    )


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_save_view_under_no_proper_name_is_refused(cast, name):
    with pytest.raises(ValidationError):
        save_view(cast.team, cast.reader, name, "q=1")


def test_delete_view_removes_it(cast):
    delete_view(save_view(cast.team, cast.reader, "Mine", "q=1"))

    assert not SavedView.objects.exists()


def test_set_preferences_keeps_those_given(cast):
    set_preferences(cast.reader, theme="dark", language="zh-hans")

    assert User.objects.values_list("theme", "language", "name").get(pk=cast.reader.pk) == (
        "dark", "zh-hans", "Reader",
    )  # fmt: skip


def test_set_preferences_to_an_unknown_theme_is_refused(cast):
    with pytest.raises(ValidationError):
        set_preferences(cast.reader, theme="neon")


def test_membership_says_who_is_what_where(cast):
    assert str(Membership.objects.get(user=cast.owner)) == "Owner · Demo team · Contributor"

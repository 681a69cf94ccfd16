"""Every act leaves its line: what was done to what, by whom, by which way. A service missing here fails."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone, translation

import risks.services
from risks.enums import Origin, Role, Secured
from risks.exchange.library import import_templates, read_templates, write_templates
from risks.models import (
    Acceptance,
    AuditEvent,
    Category,
    Indicator,
    Invitation,
    Matrix,
    Membership,
    Register,
    Risk,
    Template,
    TemplateMitigation,
    User,
)
from risks.models.translated import Text
from risks.queries.activity import Reader, describe
from risks.rules import MOVES_BY_NAME, Actor
from risks.services import (
    accounts,
    assessment,
    attachment,
    discussion,
    history,
    housekeeping,
    intake,
    invitation,
    library,
    matrix,
    membership,
    mitigation,
    personal,
    register_life,
    risk,
    team,
    undo,
)
from tests.admin_site import form_data, superuser_client, url_of
from tests.cast import PASSWORD
from tests.files import upload
from tests.rows import create, remove

pytestmark = pytest.mark.django_db

NO_ACT = {
    # What people keep for themselves and what nobody but they sees.
    "team.save_view", "team.delete_view", "team.set_preferences", "delivery.set_delivery",
    "follow.set_follow", "notice.mark_read", "notice.tell", "accounts.note_activity",
    "accounts.settle_address",
    "accounts.drop_pending_address", "accounts.end_sessions", "accounts.end_other_sessions",
    # Telling people of an act that has its line.
    "notice.notify", "notice.build_notices", "follow.tell_of_change", "follow.tell_of_owner",
    "follow.tell_of_mitigation", "reminder.remind", "reminder.tell_acceptances_ended",
    "housekeeping.remind_of_due", "invitation.mail_invitation",
    # Parts of acts, which write the line.
    "history.save_tracked", "history.delete_tracked", "history.update_tracked", "history.keep_versions",
    "history.save_changed", "history.record_content", "audit.build_event", "audit.record",
    "matrix.mark_edited",
    "attachment.prepare_files", "attachment.add_files", "attachment.drop_files", "export.record_export",
    "copies.copy_parts", "discussion.remove_links", "follow.follows_by_default", "tally.add_to_tally",
    "accounts.forget_ways_in", "register_life.check_key_is_new",
    # Figures and indexes computed anew, and rubbish taken away: nothing that anybody said changes.
    "tally.rebuild_tally", "search.rebuild_index", "attachment.delete_orphans", "attachment.delete_stored",
    "jobs.delete_old_jobs", "notice.delete_old_notices", "seal.seal_events", "seal.seal_trail",
    # The demonstration is made of acts.
    "demo.load_demo",
}  # fmt: skip
"""Public functions of the services that write something, or take who acts, and leave no line of their own."""

WRITERS = (
    "accept", "add_", "archive", "assess", "attach", "bulk_", "change_", "create_", "deactivate", "delete_",
    "drop_", "duplicate", "edit_", "end_", "expire", "export_", "follow_groups", "forget", "hand_over",
    "invite", "keep_house", "leave", "load_", "log_", "mark_", "move_", "note_", "open_", "pseudonymise",
    "reactivate",
    "rebuild", "record_", "remove_", "restore", "revise", "revoke", "save_", "seal_", "send_again", "set_",
    "settle", "tidy", "update_", "undo",
)  # fmt: skip


@dataclass
class World:
    cast: Any
    make_risk: Callable[..., Risk]
    make_mitigation: Callable[..., Any]
    register: Register

    @property
    def manager(self) -> Actor:
        return self.cast.actor(self.cast.manager)

    @property
    def administrator(self) -> Actor:
        return self.cast.actor(self.cast.administrator)

    def risk(self, **values: Any) -> Risk:
        return Risk.objects.select_related("register").get(pk=self.make_risk(**values).pk)

    def indicator(self, each: Risk) -> Indicator:
        return mitigation.add_indicator(Indicator(risk=each, name_en="Rate", amber=1, red=2), by=self.manager)

    def file(self, each: Risk) -> Any:
        return attachment.attach([upload()], risk=each, by=self.manager)[0]

    def comment(self, each: Risk) -> Any:
        return discussion.add_comment(each, "See", by=self.manager)

    def member(self, name: str = "contributor") -> Membership:
        return getattr(self.cast, name).memberships.select_related("team", "user").get()

    def newcomer(self) -> User:
        return User.objects.create_user("new@acme.example", PASSWORD, name="New")

    def invitation(self) -> Invitation:
        return invitation.invite(
            self.cast.team, ["new@acme.example"], role=Role.READER, language="en", by=self.administrator
        )[0]

    def template(self) -> Template:
        return Template.objects.get(code="TEC-01")

    def matrix(self) -> Matrix:
        return Matrix.objects.get(key="product-3x3")

    def mitigation(self, **values: Any) -> Any:
        return self.make_mitigation(self.risk(), **values)


@pytest.fixture
def world(cast, make_risk, make_mitigation, register):
    return World(cast, make_risk, make_mitigation, register)


ACCEPT = MOVES_BY_NAME["accept"]
UNTIL = timezone.localdate() + timedelta(days=30)

Act = Callable[[World], Callable[[], object]]
"""Prepares what the act needs, and returns the act."""


def act(prepare: Callable[[World], Any], do: Callable[[World, Any], object]) -> Act:
    def ready(world: World) -> Callable[[], object]:
        thing = prepare(world)
        return lambda: do(world, thing)

    return ready


def nothing(_world: World) -> None:
    return None


def archived(world: World) -> Register:
    return register_life.archive_register(world.register, by=world.administrator)


def moved(world: World) -> Risk:
    return world.risk(state="accepted")


def _undoing(world: World) -> AuditEvent:
    risk.update_risk(world.risk(), {"title_en": "Other"}, by=world.manager)
    return AuditEvent.objects.latest("id")


def _groups(world: World) -> User:
    membership.add_member(world.cast.team, person := world.newcomer(), "reader", by=world.administrator)
    return person


ACTS: dict[str, tuple[Act, list[str]]] = {
    # risks
    "risk.create_risk": (
        act(nothing, lambda w, _: risk.create_risk(w.register, {"title_en": "A"}, by=w.manager)),
        ["created risk person"],
    ),
    "risk.update_risk": (
        act(World.risk, lambda w, each: risk.update_risk(each, {"title_en": "B"}, by=w.manager)),
        ["changed risk person"],
    ),
    "risk.move_risk": (
        act(World.risk, lambda w, each: risk.move_risk(
            each, ACCEPT, by=w.manager, reason=Text("Yes"), approver=w.cast.manager, until=UNTIL)),
        ["moved risk person approver,state,until_date"],
    ),
    "risk.delete_risk": (
        act(lambda w: w.risk(state="draft"), lambda w, each: risk.delete_risk(each, by=w.manager)),
        ["deleted risk person"],
    ),
    "risk.bulk_update_risks": (
        act(World.risk, lambda w, each: risk.bulk_update_risks(
            [each.pk], {"owner": w.cast.owner}, by=w.manager, move=MOVES_BY_NAME["treat"])),
        ["changed risk bulk", "moved risk bulk"],
    ),
    "risk.expire_acceptances": (
        act(moved, lambda w, _: risk.expire_acceptances(timezone.localdate() + timedelta(days=999))),
        ["moved risk command"],
    ),
    "assessment.assess_risk": (
        act(World.risk, lambda w, each: assessment.assess_risk(each, "residual", 2, 2, by=w.manager)),
        ["assessed risk person"],
    ),
    "intake.log_risk": (
        act(nothing, lambda w, _: intake.log_risk(
            w.register, {"title_en": "A"}, by=w.manager, positions={}, reason=Text(),
            mitigations=[{"title_en": "M"}], indicators=[{"name_en": "I", "amber": 1, "red": 2}])),
        ["created risk person", "created mitigation person", "created indicator person"],
    ),
    "undo.undo_change": (
        act(_undoing, lambda w, event: undo.undo_change(event, "title_en", by=w.manager)),
        ["undone risk person"],
    ),
    # mitigations and indicators
    "mitigation.add_mitigation": (
        act(World.risk, lambda w, each: mitigation.add_mitigation(each, {"title_en": "M"}, by=w.manager)),
        ["created mitigation person"],
    ),
    "mitigation.update_mitigation": (
        act(World.mitigation, lambda w, each: mitigation.update_mitigation(
            each, {"title_en": "N"}, by=w.manager)),
        ["changed mitigation person"],
    ),
    "mitigation.delete_mitigation": (
        act(World.mitigation, lambda w, each: mitigation.delete_mitigation(each, by=w.manager)),
        ["deleted mitigation person"],
    ),
    "mitigation.add_indicator": (
        act(World.risk, lambda w, each: w.indicator(each)), ["created indicator person"],
    ),
    "mitigation.update_indicator": (
        act(lambda w: w.indicator(w.risk()), lambda w, each: mitigation.update_indicator(
            each, {"red": 9}, by=w.manager)),
        ["changed indicator person"],
    ),
    "mitigation.delete_indicator": (
        act(lambda w: w.indicator(w.risk()), lambda w, each: mitigation.delete_indicator(each, by=w.manager)),
        ["deleted indicator person"],
    ),
    # files and discussion
    "attachment.attach": (act(World.risk, World.file), ["created attachment person"]),
    "attachment.open_attachment": (
        act(lambda w: w.file(w.risk()), lambda w, each: attachment.open_attachment(
            each, by=w.manager).close()),
        ["downloaded attachment person"],
    ),
    "attachment.delete_attachment": (
        act(lambda w: w.file(w.risk()), lambda w, each: attachment.delete_attachment(each, by=w.manager)),
        ["deleted attachment person"],
    ),
    "discussion.add_comment": (act(World.risk, World.comment), ["commented comment person"]),
    "discussion.add_comment_with_files": (
        act(World.risk, lambda w, each: discussion.add_comment_with_files(
            each, "See", [upload()], by=w.manager)),
        ["commented comment person", "created attachment person"],
    ),
    "discussion.edit_comment": (
        act(lambda w: w.comment(w.risk()), lambda w, each: discussion.edit_comment(
            each, "Look", by=w.manager)),
        ["changed comment person"],
    ),
    "discussion.delete_comment": (
        act(lambda w: w.comment(w.risk()), lambda w, each: discussion.delete_comment(each, by=w.manager)),
        ["deleted comment person"],
    ),
    # registers and the team
    "team.create_team": (
        act(World.newcomer, lambda w, person: team.create_team(
            {"slug": "third", "name_en": "Third"}, administrator=person)),
        ["created team person", "joined membership person"],
    ),
    "team.create_register": (
        act(nothing, lambda w, _: team.create_register(
            w.cast.team, {"key": "NEW", "name_en": "New", "matrix": w.register.matrix}, by=w.administrator)),
        ["created register person"],
    ),
    "team.update_register": (
        act(nothing, lambda w, _: team.update_register(w.register, {"name_en": "New"}, by=w.administrator)),
        ["changed register person"],
    ),
    "register_life.archive_register": (act(nothing, lambda w, _: archived(w)), ["archived register person"]),
    "register_life.restore_register": (
        act(archived, lambda w, each: register_life.restore_register(each, by=w.administrator)),
        ["restored register person"],
    ),
    "register_life.remove_register": (
        act(archived, lambda w, each: register_life.remove_register(
            each, typed_key="VOICE", by=w.administrator)),
        ["removed register person"],
    ),
    "membership.update_team": (
        act(nothing, lambda w, _: membership.update_team(
            w.cast.team, {"requires_second_factor": True}, by=w.administrator)),
        ["changed team person"],
    ),
    "membership.add_member": (
        act(World.newcomer, lambda w, person: membership.add_member(
            w.cast.team, person, Role.READER, by=w.administrator)),
        ["joined membership person"],
    ),
    "membership.change_role": (
        act(World.member, lambda w, each: membership.change_role(each, Role.MANAGER, by=w.administrator)),
        ["changed membership person"],
    ),
    "membership.deactivate": (
        act(World.member, lambda w, each: membership.deactivate(each, by=w.administrator)),
        ["left membership person"],
    ),
    "membership.leave": (
        act(World.member, lambda w, each: membership.leave(each, by=w.cast.actor(w.cast.contributor))),
        ["left membership person"],
    ),
    "membership.reactivate": (
        act(lambda w: [w.member(), membership.deactivate(w.member(), by=w.administrator)][0],
            lambda w, each: membership.reactivate(w.member(), by=w.administrator)),
        ["joined membership person"],
    ),
    "membership.hand_over": (
        act(lambda w: [w.risk(owner=w.cast.owner), w.member("owner")][1],
            lambda w, each: membership.hand_over(each, w.cast.manager, by=w.administrator)),
        ["changed risk bulk", "handed_over membership person"],
    ),
    "invitation.invite": (act(nothing, lambda w, _: w.invitation()), ["invited invitation person"]),
    "invitation.send_again": (
        act(World.invitation, lambda w, each: invitation.send_again(each, by=w.administrator)),
        ["changed invitation person"],
    ),
    "invitation.revoke": (
        act(World.invitation, lambda w, each: invitation.revoke(each, by=w.administrator)),
        ["changed invitation person"],
    ),
    "invitation.accept": (
        act(lambda w: [w.invitation(), w.newcomer()], lambda w, each: invitation.accept(*each)),
        ["joined membership person"],
    ),
    "invitation.accept_as_new": (
        act(World.invitation, lambda w, each: invitation.accept_as_new(
            each, name="New", password=PASSWORD, language="en")),
        ["joined membership person"],
    ),
    # people
    "accounts.record_sign_in": (
        act(nothing, lambda w, _: accounts.record_sign_in(w.cast.reader)), ["signed_in user person"]),
    "accounts.record_sign_out": (
        act(nothing, lambda w, _: accounts.record_sign_out(w.cast.reader)), ["signed_out user person"]),
    "accounts.record_failed_sign_in": (
        act(nothing, lambda w, _: accounts.record_failed_sign_in(w.cast.reader.email)),
        ["sign_in_failed user person"],
    ),
    "accounts.record_failed_proof": (
        act(nothing, lambda w, _: accounts.record_failed_proof(w.cast.reader)),
        ["sign_in_failed user person"],
    ),
    "accounts.record_secured": (
        act(nothing, lambda w, _: accounts.record_secured(w.cast.reader, Secured.CODES_MADE)),
        ["secured user person step"],
    ),
    "personal.export_person": (
        act(nothing, lambda w, _: personal.export_person(w.cast.reader).close()), ["exported user person"]),
    "personal.pseudonymise": (
        act(lambda w: membership.deactivate(w.member(), by=w.administrator),
            lambda w, _: personal.pseudonymise(w.cast.contributor, by=w.administrator)),
        ["pseudonymised user person"],
    ),
    # the library
    "library.load_library": (
        act(lambda w: remove(Template.objects.filter(code="TEC-01")), lambda w, _: library.load_library()),
        ["created template command"],
    ),
    "library.duplicate_template": (
        act(World.template, lambda w, each: library.duplicate_template(
            each, by=Actor.operator(w.cast.manager))),
        ["created template person copy_of"],
    ),
    "matrix.revise_matrix": (
        act(World.matrix, lambda w, each: matrix.revise_matrix(each, by=Actor.operator(w.cast.manager))),
        ["created matrix person copy_of"],
    ),
    "history.save_recorded": (
        act(nothing, lambda w, _: history.save_recorded(
            Category(key="new", name_en="New"), by=Actor.operator(w.cast.manager))),
        ["created category person"],
    ),
    "history.delete_recorded": (
        act(lambda w: create(Category, key="new", name_en="New"), lambda w, each: history.delete_recorded(
            each, by=Actor.operator(w.cast.manager))),
        ["deleted category person"],
    ),
    # by the clock
    "housekeeping.keep_house": (
        act(lambda w: [moved(w), Acceptance.objects.update(until_date=UNTIL - timedelta(days=31))],
            lambda w, _: housekeeping.keep_house.func()),
        ["moved risk schedule"],
    ),
    "housekeeping.tidy_up": (
        act(lambda w: [moved(w), Acceptance.objects.update(until_date=UNTIL - timedelta(days=31))],
            lambda w, _: housekeeping.tidy_up(timezone.now())),
        ["moved risk command"],
    ),
}  # fmt: skip


def lines_since(number: int) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(pk__gt=number).order_by("pk"))


def last_number() -> int:
    return AuditEvent.objects.latest("pk").pk if AuditEvent.objects.exists() else 0


@pytest.mark.parametrize("name", ACTS)
def test_act_leaves_its_line(world, name):
    ready, expected = ACTS[name]
    do = ready(world)
    before = last_number()
    do()
    lines = lines_since(before)

    found = [
        " ".join([line.verb, line.object_type, line.origin, *_named_changes(line, wanted)])
        for line, wanted in zip(lines, [*expected, *[""] * len(lines)], strict=False)
    ]
    assert found == expected
    for line in lines:
        assert line.team_id or line.object_type in ("template", "matrix", "category", "team", "user")
        names = [str(person) for person in User.objects.exclude(name="")]
        text = json.dumps(line.changes) + (line.object_label if line.subject_id else "")
        assert [name for name in names if name in text] == []
        for language in ("en", "zh-hans"):
            with translation.override(language):
                [shown] = describe([line], Reader(matrix_of=lambda register: None, objects={}))
                assert shown.act
                assert shown.who


def _named_changes(line: AuditEvent, wanted: str) -> list[str]:
    """The changed fields, where the expectation names them."""
    return [",".join(sorted(line.changes))] if wanted.count(" ") > 2 else []


def test_every_service_that_writes_is_looked_at():
    missing = []
    for module in pkgutil.iter_modules(risks.services.__path__):
        its = importlib.import_module(f"risks.services.{module.name}")
        for name, found in vars(its).items():
            function = getattr(found, "func", found)
            own = inspect.isfunction(function) and function.__module__ == its.__name__
            if name.startswith("_") or not own:
                continue
            writes = name.startswith(WRITERS) or "by" in inspect.signature(function).parameters
            key = f"{module.name}.{name}"
            if writes and key not in ACTS and key not in NO_ACT and key not in ELSEWHERE:
                missing.append(key)

    assert missing == []


ELSEWHERE = {
    "accounts.follow_groups": "test_accounts_sign_on.py",
    "team.set_up_installation": "below",
    "invitation.find_invitation": "reads",
    "schedule.tick": "hands over jobs",
}
"""Acts whose line is tested where their world is."""


def test_acts_named_here_exist():
    for key in [*ACTS, *NO_ACT, *ELSEWHERE]:
        module, name = key.split(".")
        assert hasattr(importlib.import_module(f"risks.services.{module}"), name), key


def test_setting_up_an_installation_leaves_lines(db, settings):
    settings.SETUP_CODE = "code"
    before = last_number()
    team.set_up_installation(
        code="code", email="root@acme.example", password=PASSWORD, name="Root",
        team={"slug": "acme", "name_en": "Acme"},
        register={"key": "REG", "name_en": "Register", "matrix": Matrix.objects.first()},
    )  # fmt: skip

    assert [(line.verb, line.object_type) for line in lines_since(before)] == [
        ("created", "team"), ("joined", "membership"), ("created", "register"),
    ]  # fmt: skip


def test_demonstration_is_told_as_such(db, settings):
    settings.DEMO = True
    before = last_number()
    call_command("load_demo", verbosity=0)
    lines = lines_since(before)

    assert {line.origin for line in lines} == {Origin.DEMO}
    assert {line.object_type for line in lines} >= {"team", "membership", "register", "risk", "mitigation"}


# --- pages that are acts


def test_exports_and_downloads_say_what_was_asked(world, cast):
    world.risk(title_en="A", state="open")
    client = cast.client_for(cast.reader)
    before = last_number()
    b"".join(client.get("/t/acme/risks/export.csv?state=open&register=VOICE").streaming_content)
    [line] = lines_since(before)

    assert (line.verb, line.object_type, line.register, line.actor) == (
        "exported", "register", world.register, cast.reader,
    )  # fmt: skip
    assert line.changes == {"query": [None, "state=open&register=VOICE"], "rows": [None, 1]}


def test_bulk_change_of_the_list_is_told_as_such(world, cast):
    each = world.risk()
    before = last_number()
    cast.client_for(cast.manager).post(
        "/t/acme/risks/bulk/",
        {"risk": each.pk, "step": "save", "owner": cast.owner.pk, "version": each.version},
    )

    assert {line.origin for line in lines_since(before)} <= {Origin.BULK}


# --- the admin site


@pytest.fixture
def admin(db):
    return superuser_client()


def words(line: AuditEvent) -> list[str]:
    [shown] = describe([line], Reader(matrix_of=lambda register: None, objects={}))
    return [change.text for change in shown.changes]


@pytest.mark.ignore_template_errors
def test_template_edited_in_the_admin_site_is_told_down_to_its_parts(admin):
    template = Template.objects.get(code="TEC-01")
    part = template.mitigations.order_by("position", "id")[1]
    data = form_data(admin.get(url_of(template)))
    row = next(
        name for name, value in data.items() if name.endswith("-id") and value == part.pk and "mitig" in name
    )
    before = last_number()
    answer = admin.post(
        url_of(template), data | {"title_en": "Renamed", row.replace("-id", "-title_en"): "Mended"}
    )
    assert answer.status_code == 302
    [line] = lines_since(before)

    assert (line.verb, line.object_type, line.object_id) == ("changed", "template", template.pk)
    assert set(line.changes) == {"title_en", "mitigations.2.title_en"}
    assert words(line)[1] == f"Suggested mitigation 2, what is done (English): {part.title_en} → Mended"


@pytest.mark.ignore_template_errors
def test_template_saved_without_a_change_leaves_no_line(admin):
    template = Template.objects.get(code="TEC-01")
    data = form_data(admin.get(url_of(template)))
    before, versions = last_number(), template.history.count()
    admin.post(url_of(template), data)

    assert (lines_since(before), template.history.count()) == ([], versions)


@pytest.mark.ignore_template_errors
def test_matrix_edited_in_the_admin_site_is_told_cell_by_cell(admin):
    free = matrix.revise_matrix(Matrix.objects.get(key="product-5x5"), by=Actor.system(None))
    response = admin.get(url_of(free))
    form = response.context["adminform"].form
    rows = [
        *form.levels.values(),
        *form.cells.values(),
        *(row for axis in form.steps.values() for row in axis),
    ]
    data = form_data(response, *rows)
    before = last_number()
    answer = admin.post(url_of(free), data | {"cell-5-5-score": 99, "impact-2-name_en": "Small"})
    assert answer.status_code == 302
    [line] = lines_since(before)

    assert set(line.changes) == {"cells.5.5.score", "steps.impact.2.name_en"}
    assert words(line)[0] == "Cell 5 × 5, score: 25 → 99"
    assert words(line)[1].startswith("Axis level Impact 2, word (English): ")


@pytest.mark.ignore_template_errors
def test_person_s_rights_and_password_are_told_without_a_name(admin):
    person = User.objects.create_user("x@acme.example", PASSWORD, name="Xenia")
    before = last_number()
    data = form_data(admin.get(url_of(person)))
    admin.post(url_of(person), {**data, "is_staff": "on", "name": "Yvonne"})
    admin.post(
        f"/admin/risks/user/{person.pk}/password/",
        {"password1": "another long one 9", "password2": "another long one 9", "usable_password": "true"},
    )
    lines = lines_since(before)

    assert [(line.verb, line.subject, line.object_label) for line in lines] == [
        ("changed", person, ""), ("secured", person, ""),
    ]  # fmt: skip
    assert lines[0].changes == {"is_staff": [False, True]}


@pytest.mark.ignore_template_errors
def test_history_page_of_a_record_shows_its_trail(admin):
    template = Template.objects.get(code="TEC-01")
    history.save_recorded(_renamed(template), by=Actor.system(None))
    page = admin.get(url_of(template, "history"))

    assert [line.event.verb for line in page.context["lines"]] == ["changed", "created"]
    assert "The system</b> changed the risk template TEC-01 · Renamed" in page.content.decode()
    assert admin.get(url_of(template, "history") + "?p=99").status_code == 200


def _renamed(template: Template) -> Template:
    template.title_en = "Renamed"
    return template


def test_import_is_told_down_to_the_parts(db):
    rows = json.loads(write_templates("json", Template.objects.filter(code="TEC-01")))
    first = dict(rows[0]["mitigations"][0])
    rows[0]["mitigations"] = [{**first, "title_en": "New in front"}, *rows[0]["mitigations"]]
    before = last_number()
    import_templates(read_templates("json", json.dumps(rows).encode()), by=Actor.system(None), dry_run=False)
    [line] = lines_since(before)

    assert (line.verb, line.origin) == ("changed", "import")
    assert line.changes["mitigations.1.title_en"] == [None, "New in front"]
    assert {name.split(".")[1] for name in line.changes} == {"1"}
    assert TemplateMitigation.objects.filter(template__code="TEC-01", title_en="New in front").exists()


@pytest.mark.ignore_template_errors
def test_export_of_templates_is_told(admin):
    before = last_number()
    admin.get("/admin/risks/template/export/json/")
    [line] = lines_since(before)

    assert (line.verb, line.object_type, line.changes) == ("exported", "template", {"rows": [None, 42]})

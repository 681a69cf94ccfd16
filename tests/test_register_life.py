"""A register archived, restored, exported whole, and removed with nothing left of it but the trail."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.utils import timezone

from risks import rules
from risks.enums import Kind, MitigationState, State, Verb
from risks.exceptions import Invalid, NotAllowed
from risks.models import (
    Attachment,
    AuditEvent,
    Comment,
    Indicator,
    Mitigation,
    Notice,
    Register,
    Risk,
    RiskLink,
    SavedView,
)
from risks.models.search import count_risks
from risks.models.translated import Text
from risks.queries.register_content import PARTS
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.attachment import attach
from risks.services.discussion import add_comment, edit_comment
from risks.services.mitigation import add_indicator, add_mitigation, update_mitigation
from risks.services.register_life import archive_register, remove_register, restore_register
from risks.services.risk import bulk_update_risks, create_risk, expire_acceptances, move_risk, update_risk
from risks.services.team import create_register, save_view, update_register
from tests.cast import Cast
from tests.files import PDF, upload

ARCHIVED = "This register is archived. Nothing in it can be changed."
MakeRisk = Callable[..., Risk]


@pytest.fixture
def other(cast: Cast, matrix: Any) -> Register:
    """A second register of the team, `TRANS`, which stays."""
    values = {"key": "TRANS", "name_en": "Translation", "matrix": matrix}
    return create_register(cast.team, values, by=cast.actor(cast.administrator))


@pytest.fixture
def full(cast: Cast, register: Register, other: Register, make_risk: MakeRisk, make_mitigation: Any) -> Risk:
    """A risk of VOICE with everything that can hang on one, beside a risk of TRANS that it is linked with."""
    by = cast.actor(cast.manager)
    stays = make_risk(register=other, title_en="Stays")
    risk = make_risk(title_en="Zebra crossing", residual=(3, 3), inherent=(4, 4), owner=cast.owner)
    mitigation = make_mitigation(risk, owner=cast.owner)
    update_mitigation(mitigation, {"state": MitigationState.UNDER_WAY}, by=by)
    add_indicator(Indicator(risk=risk, name_en="Errors", amber=1, red=2, bad_when="above"), by=by)
    comment = add_comment(risk, f"See {stays.code}, @Owner", by=by)
    edit_comment(comment, f"See {stays.code} again, @Owner", by=by)
    add_comment(stays, f"See {risk.code}", by=by)
    attach([upload("plan.pdf", PDF)], risk=risk, by=by)
    attach([upload()], risk=risk, mitigation=mitigation, by=by)
    attach([upload("c.txt")], risk=risk, comment=comment, by=by)
    attach([upload("stays.txt")], risk=stays, by=by)
    demands = {"approver": cast.manager, "until": timezone.localdate() + timedelta(days=5)}
    move_risk(risk, MOVES_BY_NAME["accept"], by=by, reason=Text("For now"), **demands)
    save_view(cast.team, cast.reader, "Mine", "register=VOICE&state=open")
    save_view(cast.team, cast.reader, "Other", "register=TRANS")
    save_view(cast.team, cast.reader, "Search", "q=VOICE")
    risk.refresh_from_db()
    return risk


@pytest.fixture
def archived(cast: Cast, register: Register, full: Risk) -> Register:
    return archive_register(register, by=cast.actor(cast.administrator))


# --- archiving


@pytest.mark.parametrize("who", ["reader", "contributor", "owner", "manager", "outsider"])
def test_only_an_administrator_of_the_team_archives_restores_and_removes(
    cast: Cast, archived: Register, other: Register, who: str
) -> None:
    by = cast.actor(getattr(cast, who))
    for act in (
        lambda: archive_register(other, by=by),
        lambda: restore_register(archived, by=by),
        lambda: remove_register(archived, typed_key="VOICE", by=by),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert Register.objects.get(pk=archived.pk).is_archived


def test_archiving_keeps_who_and_when_and_a_version(cast: Cast, archived: Register) -> None:
    assert archived.archived_by == cast.administrator
    assert timezone.now() - archived.archived_at < timedelta(minutes=1)
    line = AuditEvent.objects.get(verb=Verb.ARCHIVED)
    assert (line.register_id, line.actor, line.object_label) == (
        archived.pk, cast.administrator, "VOICE · Voice assistant",
    )  # fmt: skip
    assert archived.history.latest().archived_at == archived.archived_at


def test_archiving_twice_or_restoring_what_is_in_use_is_refused(
    cast: Cast, archived: Register, other: Register
) -> None:
    by = cast.actor(cast.administrator)
    with pytest.raises(NotAllowed, match="archived already"):
        archive_register(archived, by=by)
    with pytest.raises(NotAllowed, match="is not archived"):
        restore_register(other, by=by)
    with pytest.raises(NotAllowed, match="Archive the register first"):
        remove_register(other, typed_key="TRANS", by=by)


def test_nothing_in_an_archived_register_can_be_changed_by_anybody(
    cast: Cast, archived: Register, full: Risk
) -> None:
    risk = Risk.objects.get(pk=full.pk)
    mitigation, comment = Mitigation.objects.get(risk=risk), Comment.objects.get(risk=risk)
    indicator, by = Indicator.objects.get(risk=risk), cast.actor(cast.administrator)
    acts: list[Callable[[], Any]] = [
        lambda: create_risk(archived, {"title_en": "x"}, by=by),
        lambda: update_risk(risk, {"title_en": "x"}, by=by),
        lambda: assess_risk(risk, Kind.TARGET, 1, 1, by=by),
        lambda: move_risk(risk, MOVES_BY_NAME["withdraw"], by=by, reason=Text("x")),
        lambda: bulk_update_risks([risk.pk], {"owner": cast.manager}, by=by),
        lambda: add_mitigation(risk, {"title_en": "x"}, by=by),
        lambda: update_mitigation(mitigation, {"title_en": "x"}, by=by),
        lambda: add_indicator(Indicator(risk=risk, name_en="x", amber=1, red=2), by=by),
        lambda: add_comment(risk, "x", by=by),
        lambda: edit_comment(comment, "x", by=cast.actor(cast.manager)),
        lambda: attach([upload()], risk=risk, by=by),
        lambda: update_register(archived, {"name_en": "x"}, by=by),
    ]
    before = AuditEvent.objects.count()
    for act in acts:
        with pytest.raises(NotAllowed, match=ARCHIVED):
            act()
    for check, thing in (
        ("delete_risk", risk), ("edit_mitigation", mitigation), ("change_comment", comment),
        ("delete_attachment", Attachment.objects.filter(risk=risk).first()),
        ("edit_risk", indicator.risk), ("edit_register", archived), ("bulk_edit", archived),
    ):  # fmt: skip
        assert rules.reason_against(getattr(rules, f"check_can_{check}"), by, thing) in (
            ARCHIVED, "Only drafts can be deleted. Close the risk instead; it stays countable.",
        )  # fmt: skip
    assert AuditEvent.objects.count() == before


def test_acceptance_in_an_archived_register_ends_when_it_is_restored(
    cast: Cast, archived: Register, full: Risk
) -> None:
    day = timezone.localdate() + timedelta(days=10)
    assert expire_acceptances(day) == 0
    restored = restore_register(archived, by=cast.actor(cast.administrator))
    assert (restored.archived_at, restored.archived_by) == (None, None)
    assert AuditEvent.objects.filter(verb=Verb.RESTORED, register=archived.pk).count() == 1
    assert expire_acceptances(day) == 1
    assert Risk.objects.get(pk=full.pk).state == State.OPEN


HIDDEN_FROM = (
    "",
    "risks/",
    "risks/?q=zebra",
    "matrix/",
    "mitigations/",
    "mitigations/?view=board",
    "reports/",
)


@pytest.mark.parametrize("address", HIDDEN_FROM)
def test_team_pages_leave_an_archived_register_out(cast: Cast, archived: Register, address: str) -> None:
    page = cast.client_for(cast.manager).get(f"/t/acme/{address}").text
    assert "Zebra" not in page
    assert "VOICE" not in page.replace('name="q" value="zebra"', "")


READABLE = (
    "", "risks/", "risks/?q=zebra", "matrix/", "mitigations/", "mitigations/?view=board", "reports/",
    "risks/export.csv", "risks/export.xlsx",
)  # fmt: skip


@pytest.mark.parametrize("address", READABLE)
def test_archived_register_is_read_when_it_is_asked_for(cast: Cast, archived: Register, address: str) -> None:
    mark = "&" if "?" in address else "?"
    answer = cast.client_for(cast.reader).get(f"/t/acme/{address}{mark}register=VOICE")
    assert answer.status_code == 200
    if "export" in address:
        assert len(b"".join(answer)) > 200
    else:
        assert "was archived on" in answer.text
        assert "VOICE" in answer.text


def test_risk_of_an_archived_register_is_read_and_says_why_it_cannot_change(
    cast: Cast, archived: Register, full: Risk
) -> None:
    client = cast.client_for(cast.administrator)
    page = client.get(f"/t/acme/risks/{full.code}/")
    assert page.status_code == 200
    assert page.context["why_not_edit"] == ARCHIVED
    assert 'type="file"' not in page.text
    for address in ("edit/", "assess/", "move/withdraw/", "files/", "mitigations/new/", "field/owner/"):
        assert client.post(f"/t/acme/risks/{full.code}/{address}", {}).status_code == 403
    mitigation = Mitigation.objects.get(risk=full)
    assert client.get(f"/t/acme/mitigations/{mitigation.pk}/").status_code == 200
    assert client.post(f"/t/acme/mitigations/{mitigation.pk}/state/", {"state": "done"}).status_code == 403
    assert client.get("/t/acme/risks/new/?register=VOICE").status_code == 403
    assert client.get("/t/acme/registers/VOICE/edit/").status_code == 403
    assert client.post("/t/acme/risks/bulk/?register=VOICE", {"risk": full.pk}).status_code == 403
    attachment = Attachment.objects.get(name="plan.pdf")
    assert b"".join(client.get(f"/t/acme/files/{attachment.pk}/")) == PDF


def test_pages_archive_and_restore(cast: Cast, register: Register, full: Risk) -> None:
    client = cast.client_for(cast.administrator)
    page = client.get("/t/acme/registers/VOICE/archive/")
    assert "Nothing in it can be changed any more" in page.text
    assert client.post("/t/acme/registers/VOICE/archive/").headers["Location"] == "/t/acme/registers/"
    page = client.get("/t/acme/registers/")
    assert [each.key for each, _figures in page.context["archived"]] == ["VOICE"]
    assert [each.key for each, _figures in page.context["rows"]] == ["TRANS"]
    assert "Administrator" in page.text
    assert client.get("/t/acme/registers/VOICE/restore/").status_code == 405
    assert client.post("/t/acme/registers/VOICE/restore/").status_code == 302
    assert not Register.objects.get(pk=register.pk).is_archived


@pytest.mark.parametrize(
    ("address", "method"),
    [
        ("archive/", "get"),
        ("archive/", "post"),
        ("restore/", "post"),
        ("remove/", "get"),
        ("remove/", "post"),
    ],
)
def test_pages_of_the_end_are_for_administrators_of_the_team(
    cast: Cast, register: Register, address: str, method: str
) -> None:
    url = f"/t/acme/registers/VOICE/{address}"
    for who in ("reader", "contributor", "manager"):
        assert getattr(cast.client_for(cast.members[who]), method)(url).status_code == 403
    assert getattr(cast.client_for(cast.outsider), method)(url).status_code == 404
    assert getattr(Client(), method)(url).status_code == 302
    other = url.replace("VOICE", "OTHER")
    assert getattr(cast.client_for(cast.administrator), method)(other).status_code == 404


# --- the whole register as a file


def _export(cast: Cast, who: str = "reader") -> zipfile.ZipFile:
    answer = cast.client_for(cast.members[who]).get("/t/acme/registers/VOICE/export.zip")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert answer.streaming
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="VOICE-{timezone.localdate()}.zip"'
    )
    return zipfile.ZipFile(io.BytesIO(b"".join(answer)))


def _lines(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(f"{name}.jsonl").decode().splitlines()]


def test_export_holds_every_row_and_file_of_the_register_and_no_other(
    cast: Cast, archived: Register, full: Risk
) -> None:
    archive = _export(cast)
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["format"], manifest["version"], manifest["register"]) == ("riskreg-register", 1, "VOICE")
    counts = {part.name: part.rows(archived).count() for part in PARTS if part.kept}
    assert {name: manifest["rows"][name] for name in counts} == counts
    assert {name: len(_lines(archive, name)) for name in manifest["rows"]} == manifest["rows"]
    assert min(counts.values()) > 0
    assert manifest["missing_or_damaged_attachments"] == []
    sums = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    assert manifest["sha256"] == {name: each for name, each in sums.items() if name != "manifest.json"}
    (risk,) = _lines(archive, "risks")
    assert (risk["code"], risk["title_en"], risk["owner_id"]) == ("VOICE-1", "Zebra crossing", cast.owner.pk)
    assert {each["name"] for each in _lines(archive, "people")} >= {"Owner", "Manager"}
    assert json.loads(archive.read("register.json"))["archived_by_id"] == cast.administrator.pk
    assert len(json.loads(archive.read("matrix.json"))["cells"]) == 25
    plan = Attachment.objects.get(name="plan.pdf")
    assert archive.read(f"files/{plan.pk}/plan.pdf") == PDF
    assert {name.rpartition("/")[2] for name in archive.namelist() if name.startswith("files/")} == {
        "plan.pdf", "notes.txt", "c.txt",
    }  # fmt: skip


def test_export_names_files_that_are_missing_or_changed(cast: Cast, archived: Register) -> None:
    plan, notes = Attachment.objects.get(name="plan.pdf"), Attachment.objects.get(name="notes.txt")
    default_storage.delete(str(plan.file))
    default_storage.delete(str(notes.file))
    default_storage.save(str(notes.file), upload("x", b"changed"))
    manifest = json.loads(_export(cast).read("manifest.json"))
    assert manifest["missing_or_damaged_attachments"] == [plan.pk, notes.pk]


def test_export_is_written_into_the_trail(cast: Cast, archived: Register) -> None:
    _export(cast)
    line = AuditEvent.objects.get(verb=Verb.EXPORTED)
    assert (line.actor, line.register_id, line.object_label) == (
        cast.reader, archived.pk, f"VOICE-{timezone.localdate()}.zip",
    )  # fmt: skip


def test_export_is_for_members_of_the_team(cast: Cast, archived: Register) -> None:
    url = "/t/acme/registers/VOICE/export.zip"
    assert cast.client_for(cast.outsider).get(url).status_code == 404
    assert cast.client_for(cast.outsider).get(url.replace("acme", "other")).status_code == 404
    assert Client().get(url).status_code == 302
    assert not AuditEvent.objects.filter(verb=Verb.EXPORTED).exists()


def test_export_of_more_risks_takes_no_more_queries(
    cast: Cast, register: Register, make_risk: MakeRisk, count_queries: Any
) -> None:
    make_risk(residual=(3, 3))
    _export(cast)
    few = count_queries(lambda: _export(cast))
    for _number in range(29):
        make_risk(residual=(3, 3))
    assert count_queries(lambda: _export(cast)) == few


# --- removing


def test_parts_name_every_table_that_belongs_to_a_register(db: None) -> None:
    """A new model that points at a register, a risk, a mitigation or a comment has to be removed with it."""
    owned = {Register, Risk, Mitigation, Comment}
    pointing = {
        model
        for model in apps.get_app_config("risks").get_models()
        if any(field.is_relation and field.related_model in owned for field in model._meta.concrete_fields)
    }
    listed = {part.rows(Register(pk=1)).model for part in PARTS}
    assert pointing | {Register.history.model} - {AuditEvent} == listed | {AuditEvent}


def _everywhere(register_id: int, risk_ids: list[int]) -> dict[str, int]:
    """Rows by table and column, in the whole database, that point at the register or its risks."""
    found = {}
    ids = {
        "register_id": [register_id], "risk_id": risk_ids, "source_id": risk_ids, "target_id": risk_ids,
    }  # fmt: skip
    own = {"risks_register": [register_id], "risks_historicalregister": [register_id]}
    own |= {"risks_risk": risk_ids, "risks_historicalrisk": risk_ids}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith("risks_search"):
                continue
            columns = {each.name for each in connection.introspection.get_table_description(cursor, table)}
            wanted = {name: ids[name] for name in ids if name in columns}
            wanted |= {"id": own[table]} if table in own else {}
            for column, values in wanted.items():
                marks = ", ".join(["%s"] * len(values))
                sql = f'SELECT count(*) FROM "{table}" WHERE "{column}" IN ({marks})'  # noqa: S608
                cursor.execute(sql, values)
                count = cursor.fetchone()[0]
                if count:
                    found[f"{table}.{column}"] = count
    return found


def test_removal_leaves_nothing_in_any_table_but_the_trail(
    cast: Cast, archived: Register, other: Register, full: Risk, django_capture_on_commit_callbacks: Any
) -> None:
    risk_ids = list(Risk.objects.filter(register=archived).values_list("pk", flat=True))
    files = {str(each.file) for each in Attachment.objects.filter(risk=full)}
    lines = AuditEvent.objects.filter(register_id=archived.pk).count()
    assert len(_everywhere(archived.pk, risk_ids)) > 15
    assert Notice.objects.filter(risk=full).exists()
    with django_capture_on_commit_callbacks(execute=True):
        remove_register(archived, typed_key=" VOICE ", by=cast.actor(cast.administrator))
        assert all(default_storage.exists(name) for name in files)
    assert _everywhere(archived.pk, risk_ids) == {
        "risks_auditevent.register_id": lines + 1, "risks_auditevent.risk_id": lines - 2,
    }  # fmt: skip
    assert count_risks("zebra", team_id=cast.team.pk) == 0
    assert not any(default_storage.exists(name) for name in files)
    connection.check_constraints()
    # what belongs to others is still there
    stays = Risk.objects.get(register=other)
    assert (stays.link_count, stays.comment_count, stays.attachment_count) == (0, 1, 1)
    assert not RiskLink.objects.exists()
    assert default_storage.exists(str(Attachment.objects.get(risk=stays).file))
    assert sorted(SavedView.objects.values_list("name", flat=True)) == ["Other", "Search"]
    assert count_risks("stays", team_id=cast.team.pk) == 1


def test_removal_leaves_a_last_line_with_key_names_and_counts(cast: Cast, archived: Register) -> None:
    remove_register(archived, typed_key="VOICE", by=cast.actor(cast.administrator))
    line = AuditEvent.objects.get(verb=Verb.REMOVED)
    assert (line.actor, line.register_id, line.object_id) == (cast.administrator, archived.pk, archived.pk)
    assert line.object_label == "VOICE · Voice assistant"
    assert line.changes == {
        "key": ["VOICE", None], "name_en": ["Voice assistant", None], "name_zh": ["语音助手", None],
        "risks": [1, None], "mitigations": [1, None], "indicators": [1, None], "assessments": [2, None],
        "comments": [1, None], "attachments": [3, None],
    }  # fmt: skip


@pytest.mark.parametrize("typed", ["", "voice", "VOICE-1", "OTHER", "VOICE\0"])
def test_removal_with_another_key_is_refused(cast: Cast, archived: Register, typed: str) -> None:
    client = cast.client_for(cast.administrator)
    answer = client.post("/t/acme/registers/VOICE/remove/", {"key": typed})
    assert answer.status_code == 422
    assert Register.objects.filter(pk=archived.pk).exists()
    with pytest.raises(Invalid):
        remove_register(archived, typed_key=typed, by=cast.actor(cast.administrator))


def test_removal_that_fails_takes_nothing(
    cast: Cast, archived: Register, full: Risk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {part.name: part.rows(archived).count() for part in PARTS}

    def fail(register: Register) -> Any:
        raise RuntimeError

    broken = [*PARTS[:-1], type(PARTS[-1])("broken", fail)]
    monkeypatch.setattr("risks.services.register_life.PARTS", broken)
    with pytest.raises(RuntimeError):
        remove_register(archived, typed_key="VOICE", by=cast.actor(cast.administrator))
    assert {part.name: part.rows(archived).count() for part in PARTS} == before
    assert count_risks("zebra", team_id=cast.team.pk) == 1
    assert not AuditEvent.objects.filter(verb=Verb.REMOVED).exists()
    assert default_storage.exists(str(Attachment.objects.get(name="plan.pdf").file))


def test_removal_takes_the_same_queries_at_any_size(
    cast: Cast, register: Register, other: Register, make_risk: MakeRisk, count_queries: Any
) -> None:
    by = cast.actor(cast.administrator)

    def remove(target: Register) -> int:
        archive_register(target, by=by)
        return count_queries(lambda: remove_register(target, typed_key=target.key, by=by))

    make_risk(register=other, residual=(3, 3))
    few = remove(other)
    for _number in range(30):
        make_risk(residual=(3, 3))
    assert remove(register) == few


def test_page_says_what_goes_and_removes_it(cast: Cast, archived: Register, full: Risk) -> None:
    client = cast.client_for(cast.administrator)
    page = client.get("/t/acme/registers/VOICE/remove/")
    for words in ("1 risk", "2 assessments", "3 files", "the key cannot be used again"):
        assert words in page.text
    answer = client.post("/t/acme/registers/VOICE/remove/", {"key": "VOICE"})
    assert answer.headers["Location"] == "/t/acme/registers/"
    for address in (f"risks/{full.code}/", "risks/?register=VOICE", "registers/VOICE/export.zip"):
        assert client.get(f"/t/acme/{address}").status_code == 404
    for address in ("", "risks/", "matrix/", "mitigations/", "registers/"):
        assert client.get(f"/t/acme/{address}").status_code == 200


def test_key_of_a_removed_register_is_never_used_again(cast: Cast, archived: Register, matrix: Any) -> None:
    by = cast.actor(cast.administrator)
    remove_register(archived, typed_key="VOICE", by=by)
    values = {"key": "VOICE", "name_en": "Again", "matrix": matrix}
    with pytest.raises(Invalid, match="Codes are never used twice"):
        create_register(cast.team, values, by=by)
    answer = cast.client_for(cast.administrator).post(
        "/t/acme/registers/new/", {"key": "VOICE", "name_en": "Again", "matrix": matrix.pk, "currency": "CNY"}
    )
    assert answer.status_code == 422
    assert "Codes are never used twice" in answer.text
    assert create_register(cast.other_team, values, by=cast.actor(cast.outsider)).key == "VOICE"


def test_activity_still_tells_of_a_removed_register(cast: Cast, archived: Register, full: Risk) -> None:
    remove_register(archived, typed_key="VOICE", by=cast.actor(cast.administrator))
    page = cast.client_for(cast.administrator).get("/t/acme/activity/")
    assert page.status_code == 200
    assert "VOICE · Voice assistant" in page.text
    assert "VOICE-1 Zebra crossing" in page.text
    assert f"/risks/{full.code}/" not in page.text

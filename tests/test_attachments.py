"""Files of risks, mitigations and comments: kept whole, for members only, gone with what they belong to."""

from __future__ import annotations

import hashlib
import stat
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test.utils import override_settings
from django.utils import timezone

from risks.enums import Verb
from risks.exceptions import Gone, Invalid, NotAllowed
from risks.models import Attachment, AuditEvent, Comment, Risk
from risks.services import attachment as service
from risks.services.attachment import attach, delete_attachment, delete_orphans, open_attachment
from risks.services.discussion import add_comment, delete_comment
from risks.services.mitigation import delete_mitigation
from risks.services.risk import delete_risk
from tests.cast import Cast
from tests.files import PDF, PNG, upload

MakeRisk = Callable[..., Risk]
FACTS = ("name", "size", "sha256")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """Files lie in a folder of the test."""
    options = {
        "location": tmp_path / "files", "base_url": None, "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }  # fmt: skip
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"default": storage}
    return tmp_path / "files"


def stored(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())


def read(answer: Any) -> bytes:
    """What a download sends; read to its end it is closed."""
    return b"".join(answer)


def count_of(risk: Risk) -> int:
    return Risk.objects.values_list("attachment_count", flat=True).get(pk=risk.pk)


def lines(verb: Verb) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(verb=verb, object_type="attachment").order_by("pk"))


@pytest.fixture
def risk(make_risk: MakeRisk, cast: Cast) -> Risk:
    return make_risk(owner=cast.owner)


@pytest.fixture
def add(cast: Cast, risk: Risk) -> Callable[..., Attachment]:
    """`add("name.txt", b"…", by=cast.owner, mitigation=…)`."""

    def make(name: str = "notes.txt", content: bytes = b"A note.\n", **more: Any) -> Attachment:
        by = cast.actor(more.pop("by", cast.contributor))
        return attach([upload(name, content)], risk=more.pop("risk", risk), by=by, **more)[0]

    return make


# --- adding


def test_attach_keeps_content_name_type_and_sum(cast: Cast, risk: Risk, folder: Path) -> None:
    files = [upload("报告.pdf", PDF), upload("../../picture", PNG)]
    first, second = attach(files, risk=risk, by=cast.actor(cast.contributor))
    assert (first.name, first.content_type, first.size) == ("报告.pdf", "application/pdf", len(PDF))
    assert first.sha256 == hashlib.sha256(PDF).hexdigest()
    assert (second.name, second.content_type) == ("picture.png", "image/png")
    assert first.added_by == cast.contributor
    assert sorted(each.read_bytes() for each in stored(folder)) == sorted([PDF, PNG])
    assert count_of(risk) == 2


def test_attach_writes_a_line_with_name_size_and_sum(cast: Cast, add: Any, risk: Risk) -> None:
    attachment = add()
    (line,) = lines(Verb.CREATED)
    assert line.changes == {name: [None, getattr(attachment, name)] for name in FACTS}
    assert (line.object_label, line.object_id, line.risk_id, line.actor) == (
        "notes.txt", attachment.pk, risk.pk, cast.contributor,
    )  # fmt: skip


def test_stored_file_is_for_the_server_only_and_has_no_name_of_people(add: Any, folder: Path) -> None:
    attachment = add("secret plan.txt")
    (path,) = stored(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parents if folder in each.parents} == {0o700}
    assert "secret" not in str(path)
    assert path == folder / str(attachment.file)


@pytest.mark.parametrize("user", ["reader"])
def test_attach_by_a_reader_is_refused(cast: Cast, risk: Risk, user: str, folder: Path) -> None:
    with pytest.raises(NotAllowed):
        attach([upload()], risk=risk, by=cast.actor(cast.members[user]))
    assert stored(folder) == []


def test_attach_to_another_teams_risk_is_refused(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        attach([upload()], risk=cast.other_risk, by=cast.actor(cast.administrator))


def test_one_bad_file_of_several_keeps_none(cast: Cast, risk: Risk, folder: Path) -> None:
    with pytest.raises(Invalid) as refused:
        attach([upload(), upload("a.pdf", b"<html>")], risk=risk, by=cast.actor(cast.contributor))
    assert refused.value.field == "files"
    assert (stored(folder), count_of(risk), lines(Verb.CREATED)) == ([], 0, [])


def test_empty_file_is_refused(cast: Cast, risk: Risk) -> None:
    with pytest.raises(Invalid, match=r"“a\.txt” is empty\."):
        attach([upload("a.txt", b"")], risk=risk, by=cast.actor(cast.contributor))


@override_settings(ATTACHMENT_MAX_BYTES=10)
def test_file_above_the_limit_is_refused(cast: Cast, risk: Risk) -> None:
    with pytest.raises(Invalid, match=r"“a\.txt” is larger than 10\Wbytes"):
        attach([upload("a.txt", b"x" * 11)], risk=risk, by=cast.actor(cast.contributor))


@override_settings(ATTACHMENTS_PER_RISK=2)
def test_risk_takes_only_so_many_files(cast: Cast, risk: Risk, add: Any, folder: Path) -> None:
    add()
    with pytest.raises(Invalid, match="at most, and has 1"):
        attach([upload(), upload()], risk=risk, by=cast.actor(cast.contributor))
    add()
    assert len(stored(folder)) == count_of(risk) == 2


def test_file_is_taken_back_if_the_row_cannot_be_written(
    cast: Cast, risk: Risk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(service, "record", fail)
    with pytest.raises(RuntimeError):
        attach([upload(), upload("b.txt")], risk=risk, by=cast.actor(cast.contributor))
    assert (stored(folder), Attachment.objects.count(), count_of(risk)) == ([], 0, 0)


def test_file_written_half_is_taken_back(
    cast: Cast, risk: Risk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, name: str, content: Any) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(FileSystemStorage, "_save", fail)
    with pytest.raises(OSError, match="disk full"):
        attach([upload()], risk=risk, by=cast.actor(cast.contributor))
    assert stored(folder) == []


def test_file_of_an_act_that_fails_later_is_taken_back(cast: Cast, risk: Risk, folder: Path) -> None:
    by = cast.actor(cast.contributor)

    def say_and_fail() -> None:
        with service.prepare_files([upload()], risk=risk, by=by) as prepared, transaction.atomic():
            comment = add_comment(risk, "See the file", by=by)
            service.add_files(prepared, risk=risk, comment=comment, by=by)
            raise Invalid("something else")

    with pytest.raises(Invalid, match="something else"):
        say_and_fail()
    assert (stored(folder), Attachment.objects.count(), count_of(risk)) == ([], 0, 0)


def test_large_file_on_disk_is_stored_and_summed(cast: Cast, risk: Risk, folder: Path) -> None:
    file = TemporaryUploadedFile("big.txt", "text/plain", 0, None)
    file.write(b"0123456789abcde\n" * 400_000)
    file.size = 6_400_000
    (attachment,) = attach([file], risk=risk, by=cast.actor(cast.contributor))
    file.close()
    assert attachment.sha256 == hashlib.sha256(b"0123456789abcde\n" * 400_000).hexdigest()
    assert stored(folder)[0].stat().st_size == 6_400_000
    assert stat.S_IMODE(stored(folder)[0].stat().st_mode) == 0o600


# --- the scanner

SCANNER = """import sys
content = sys.stdin.buffer.read()
print("stdin: Eicar-Test FOUND" if b"VIRUS" in content else "OK")
sys.exit(1 if b"VIRUS" in content else 2 if b"ODD" in content else 0)"""


@pytest.fixture
def scanner(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "scan.py").write_text(SCANNER)
    settings.SCAN_COMMAND = [sys.executable, str(tmp_path / "scan.py")]


def _on_disk(content: bytes) -> TemporaryUploadedFile:
    file = TemporaryUploadedFile("notes.txt", "text/plain", len(content), None)
    file.write(content)
    return file


@pytest.mark.parametrize("make", [lambda content: upload("notes.txt", content), _on_disk])
class TestScanner:
    def test_clean_file_is_kept_whole(
        self, scanner: None, cast: Cast, risk: Risk, folder: Path, make: Any
    ) -> None:
        file = make(b"all good " * 10_000)
        attach([file], risk=risk, by=cast.actor(cast.contributor))
        file.close()
        assert [each.read_bytes() for each in stored(folder)] == [b"all good " * 10_000]

    def test_infected_file_is_refused_and_told(
        self, scanner: None, cast: Cast, risk: Risk, folder: Path, make: Any
    ) -> None:
        with pytest.raises(Invalid, match=r"“notes\.txt” holds a virus and was not added"):
            attach([make(b"x VIRUS x")], risk=risk, by=cast.actor(cast.contributor))
        (line,) = lines(Verb.REFUSED)
        assert line.changes["sha256"] == [None, hashlib.sha256(b"x VIRUS x").hexdigest()]
        assert (line.reason, line.actor, line.risk_id) == (
            "stdin: Eicar-Test FOUND", cast.contributor, risk.pk,
        )  # fmt: skip
        assert (stored(folder), count_of(risk)) == ([], 0)

    def test_file_that_the_scanner_cannot_judge_is_refused(
        self, scanner: None, cast: Cast, risk: Risk, folder: Path, make: Any
    ) -> None:
        with pytest.raises(Invalid, match="could not be checked"):
            attach([make(b"ODD")], risk=risk, by=cast.actor(cast.contributor))
        assert (stored(folder), lines(Verb.REFUSED)) == ([], [])


@pytest.mark.parametrize(
    "command", [["/nowhere/clamdscan", "-"], [sys.executable, "-c", "import time; time.sleep(60)"]]
)
@override_settings(SCAN_SECONDS=0.5)
def test_scanner_that_is_missing_or_hangs_lets_nothing_in(
    cast: Cast, risk: Risk, folder: Path, settings: Any, command: list[str]
) -> None:
    settings.SCAN_COMMAND = command
    with pytest.raises(Invalid, match="could not be checked"):
        attach([upload()], risk=risk, by=cast.actor(cast.contributor))
    assert stored(folder) == []


def test_scanner_is_called_without_a_shell(cast: Cast, risk: Risk, tmp_path: Path, settings: Any) -> None:
    settings.SCAN_COMMAND = [sys.executable, "-c", "pass", f"; touch {tmp_path}/made"]
    attach([upload("$(touch x);.txt")], risk=risk, by=cast.actor(cast.contributor))
    assert not (tmp_path / "made").exists()


# --- reading


def test_open_gives_the_content_and_writes_a_line(cast: Cast, add: Any) -> None:
    attachment = add()
    with open_attachment(attachment, by=cast.actor(cast.reader)) as content:
        assert content.read() == b"A note.\n"
    (line,) = lines(Verb.DOWNLOADED)
    assert (line.actor, line.object_label) == (cast.reader, "notes.txt")


def test_open_gives_no_file_that_was_exchanged(cast: Cast, add: Any, folder: Path) -> None:
    attachment = add()
    stored(folder)[0].write_bytes(b"B note.\n")
    with pytest.raises(Gone, match="missing or damaged"):
        open_attachment(attachment, by=cast.actor(cast.reader))
    stored(folder)[0].unlink()
    with pytest.raises(Gone, match="missing or damaged"):
        open_attachment(attachment, by=cast.actor(cast.reader))
    assert lines(Verb.DOWNLOADED) == []


# --- deleting


def test_delete_removes_row_and_file_and_keeps_the_line(
    cast: Cast, add: Any, risk: Risk, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    kept, attachment = add("kept.txt"), add()
    with django_capture_on_commit_callbacks(execute=True):
        delete_attachment(attachment, by=cast.actor(cast.contributor))
        assert len(stored(folder)) == 2
    assert [each.name for each in Attachment.objects.all()] == ["kept.txt"]
    assert stored(folder) == [folder / str(kept.file)]
    assert count_of(risk) == 1
    (line,) = lines(Verb.DELETED)
    assert line.changes == {name: [getattr(attachment, name), None] for name in FACTS}


def test_delete_that_is_rolled_back_keeps_the_file(cast: Cast, add: Any, folder: Path) -> None:
    attachment = add()

    @transaction.atomic
    def delete_and_fail() -> None:
        delete_attachment(attachment, by=cast.actor(cast.contributor))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        delete_and_fail()
    assert (len(stored(folder)), Attachment.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("who", "allowed"),
    [("reader", False), ("contributor", True), ("owner", False), ("manager", True), ("administrator", True)],
)
def test_delete_is_for_who_added_it_and_managers(cast: Cast, add: Any, who: str, allowed: bool) -> None:
    attachment = add(by=cast.contributor)
    if allowed:
        delete_attachment(attachment, by=cast.actor(cast.members[who]))
    else:
        with pytest.raises(NotAllowed):
            delete_attachment(attachment, by=cast.actor(cast.members[who]))
    assert Attachment.objects.exists() is not allowed


def test_files_go_with_their_mitigation(
    cast: Cast, add: Any, risk: Risk, make_mitigation: Any, folder: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    mitigation = make_mitigation(risk)
    add()
    add("plan.txt", mitigation=mitigation)
    with django_capture_on_commit_callbacks(execute=True):
        delete_mitigation(mitigation, by=cast.actor(cast.manager))
    assert [each.object_label for each in lines(Verb.DELETED)] == ["plan.txt"]
    assert len(stored(folder)) == count_of(risk) == 1


def test_files_go_with_their_comment(
    cast: Cast, add: Any, risk: Risk, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    comment = add_comment(risk, "See the file", by=cast.actor(cast.contributor))
    add("proof.txt", comment=comment)
    with django_capture_on_commit_callbacks(execute=True):
        delete_comment(comment, by=cast.actor(cast.contributor))
    assert [each.object_label for each in lines(Verb.DELETED)] == ["proof.txt"]
    assert (stored(folder), count_of(risk)) == ([], 0)


def test_files_go_with_their_draft(
    cast: Cast, make_risk: MakeRisk, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    draft = make_risk(state="draft")
    attach([upload()], risk=draft, by=cast.actor(cast.contributor))
    with django_capture_on_commit_callbacks(execute=True):
        delete_risk(draft, by=cast.actor(cast.contributor))
    assert (stored(folder), Attachment.objects.count(), len(lines(Verb.DELETED))) == ([], 0, 1)


# --- housekeeping


def test_orphans_are_deleted_after_a_day(add: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = add()
    orphan = (folder / str(kept.file)).with_name("f" * 32)
    orphan.write_bytes(b"left by a crash")
    assert delete_orphans(timezone.now() - timedelta(days=1)) == 0
    assert delete_orphans(timezone.now() + timedelta(seconds=5)) == 1
    assert stored(folder) == [folder / str(kept.file)]
    call_command("housekeeping")
    assert "0 files of nothing deleted" in capsys.readouterr().out


def test_verify_names_what_is_missing_changed_or_orphaned(
    add: Any, folder: Path, risk: Risk, capsys: pytest.CaptureFixture[str]
) -> None:
    add("good.txt")
    call_command("verify_files")
    assert capsys.readouterr().out == "all 1 files are as they were added\n"
    changed, missing = add("changed.txt"), add("missing.txt")
    (folder / str(changed.file)).write_bytes(b"A nota.\n")
    (folder / str(missing.file)).unlink()
    with pytest.raises(CommandError, match="2 of 3 files are missing or changed"):
        call_command("verify_files")
    assert capsys.readouterr().out.splitlines() == [
        f"changed: {risk.code} “changed.txt” ({changed.file}, id {changed.pk})",
        f"missing: {risk.code} “missing.txt” ({missing.file}, id {missing.pk})",
    ]


def test_orphans_of_an_installation_without_files_are_none() -> None:
    assert delete_orphans(timezone.now()) == 0
    assert not default_storage.exists("attachments")


# --- pages


def test_plain_form_adds_several_and_leads_back(cast: Cast, risk: Risk) -> None:
    client = cast.client_for(cast.contributor)
    answer = client.post(f"/t/acme/risks/{risk.code}/files/", {"files": [upload(), upload("b.pdf", PDF)]})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/t/acme/risks/{risk.code}/#files")
    assert count_of(risk) == 2
    page = client.get(f"/t/acme/risks/{risk.code}/")
    assert [each.attachment.name for each in page.context["files"]] == ["notes.txt", "b.pdf"]
    assert "Plain text" in page.text


def test_htmx_form_gets_the_section_anew(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    client, headers = cast.client_for(cast.contributor), htmx_headers("files")
    url = f"/t/acme/risks/{risk.code}/files/"
    answer = client.post(url, {"files": [upload()]}, headers=headers)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<section id="files"')
    assert "notes.txt" in answer.text
    refused = client.post(url, {"files": [upload("a.pdf", b"<html>")]}, headers=headers)
    assert refused.status_code == 422
    assert "says it is: PDF document. But its content is: Web page (HTML)." in refused.text
    assert "notes.txt" in refused.text


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "Choose at least one file."),
        ({"files": ""}, "Choose at least one file."),
        ({"files": [upload("a.txt", b"")]}, "“a.txt” is empty."),
        ({"files": [upload("a.exe", b"MZ\0")]}, "“a.exe” cannot be added (Program)."),
    ],
)
def test_bad_file_is_told_beside_the_field(cast: Cast, risk: Risk, sent: Any, message: str) -> None:
    answer = cast.client_for(cast.contributor).post(f"/t/acme/risks/{risk.code}/files/", sent)
    assert answer.status_code == 422
    assert message in answer.text
    assert count_of(risk) == 0


@override_settings(ATTACHMENT_MAX_BYTES=3_000_000)
def test_file_above_the_limit_is_dropped_while_it_is_read(cast: Cast, risk: Risk, folder: Path) -> None:
    files = [upload("big.txt", b"x" * 3_000_001), upload()]
    answer = cast.client_for(cast.contributor).post(f"/t/acme/risks/{risk.code}/files/", {"files": files})
    assert answer.status_code == 422
    assert "“big.txt” is larger than 2.9\N{NO-BREAK SPACE}MB. It was not added." in answer.text
    assert "Choose at least one" not in answer.text
    assert stored(folder) == []


@override_settings(ATTACHMENT_MAX_BYTES=100_000, DATA_UPLOAD_MAX_MEMORY_SIZE=1000)
def test_request_above_the_limit_is_refused_before_it_is_read(cast: Cast, risk: Risk) -> None:
    answer = cast.client_for(cast.contributor).post(
        f"/t/acme/risks/{risk.code}/files/", {"files": [upload("a.txt", b"x" * 600_000)]}
    )
    assert answer.status_code == 413
    assert "A file may have 97.7\N{NO-BREAK SPACE}KB at most" in answer.text
    assert "what you typed is still there" in answer.text


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000)
def test_stranger_cannot_send_files_anywhere(client: Any, db: None) -> None:
    answer = client.post("/accounts/login/", {"files": [upload("a.txt", b"x" * 2000)]})
    assert answer.status_code == 413


def test_too_many_files_at_once_are_refused(cast: Cast, risk: Risk) -> None:
    answer = cast.client_for(cast.contributor).post(
        f"/t/acme/risks/{risk.code}/files/", {"files": [upload() for _number in range(21)]}
    )
    assert (answer.status_code, count_of(risk)) == (413, 0)
    assert "At most 20 files" in answer.text


def test_download_has_the_name_and_headers_under_which_nothing_runs(cast: Cast, add: Any) -> None:
    attachment = add("报告 2026.pdf", PDF)
    answer = cast.client_for(cast.reader).get(f"/t/acme/files/{attachment.pk}/")
    assert read(answer) == PDF
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS | {
        "Content-Disposition": "attachment; filename*=utf-8''%E6%8A%A5%E5%91%8A%202026.pdf",
        "Content-Type": "application/pdf",
        "Content-Length": str(len(PDF)),
    }
    assert len(lines(Verb.DOWNLOADED)) == 1


HEADERS = {
    "Content-Disposition": "", "Content-Type": "", "Content-Length": "",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-store",
}  # fmt: skip


def test_download_name_cannot_break_the_header(cast: Cast, add: Any) -> None:
    attachment = add('a\r\nSet-Cookie: x=1;"; filename=evil.html.txt')
    answer = cast.client_for(cast.reader).get(f"/t/acme/files/{attachment.pk}/")
    assert read(answer) == b"A note.\n"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="a Set-Cookie_ x=1;_; filename=evil.html.txt"'
    )


def test_damaged_file_answers_that_it_is_gone(cast: Cast, add: Any, folder: Path) -> None:
    attachment = add()
    stored(folder)[0].write_bytes(b"exchanged")
    answer = cast.client_for(cast.reader).get(f"/t/acme/files/{attachment.pk}/")
    assert answer.status_code == 410
    assert "missing or damaged" in answer.text


def test_file_of_another_team_is_not_found(cast: Cast, add: Any) -> None:
    attachment = add()
    stranger = cast.client_for(cast.outsider)
    for team in ("acme", "other"):
        for address in ("", "delete/"):
            assert stranger.get(f"/t/{team}/files/{attachment.pk}/{address}").status_code == 404
    assert stranger.post(f"/t/other/files/{attachment.pk}/delete/").status_code == 404
    assert stranger.post("/t/acme/risks/VOICE-1/files/", {"files": [upload()]}).status_code == 404
    assert (Attachment.objects.count(), lines(Verb.DOWNLOADED)) == (1, [])


@pytest.mark.parametrize("pk", ["0", "9" * 25, "-1", "a"])
def test_file_that_does_not_exist_is_not_found(cast: Cast, risk: Risk, pk: str) -> None:
    assert cast.client_for(cast.reader).get(f"/t/acme/files/{pk}/").status_code == 404


def test_stored_file_has_no_address_of_its_own(cast: Cast, add: Any) -> None:
    attachment = add()
    client = cast.client_for(cast.administrator)
    for start in ("/", "/static/", "/media/", "/files/", "/var/files/"):
        assert client.get(f"{start}{attachment.file}").status_code == 404


def test_delete_page_asks_then_deletes(cast: Cast, add: Any, risk: Risk, htmx_headers: Any) -> None:
    client, attachment = cast.client_for(cast.contributor), add("<b>bold</b>.txt")
    page = client.get(f"/t/acme/files/{attachment.pk}/delete/")
    assert "b_.txt" in page.text
    assert "<b>bold" not in page.text
    answer = client.post(f"/t/acme/files/{attachment.pk}/delete/")
    assert answer.headers["Location"] == f"/t/acme/risks/{risk.code}/#files"
    second = add()
    answer = client.post(f"/t/acme/files/{second.pk}/delete/", headers=htmx_headers("dialog"))
    assert "risk-changed" in answer.headers["HX-Trigger"]
    assert Attachment.objects.count() == 0


def test_name_is_escaped_wherever_it_stands(cast: Cast, add: Any, risk: Risk) -> None:
    attachment = add("'&amp;{{x}} ＜script＞.txt")
    page = cast.client_for(cast.reader).get(f"/t/acme/risks/{risk.code}/")
    assert attachment.name == "'&amp;{{x}} ＜script＞.txt"
    assert "&#x27;&amp;amp;{{x}} ＜script＞.txt" in page.text


def test_mitigation_keeps_files_of_its_own(cast: Cast, risk: Risk, make_mitigation: Any) -> None:
    mitigation, client = make_mitigation(risk, owner=cast.owner), cast.client_for(cast.owner)
    url = f"/t/acme/mitigations/{mitigation.pk}/files/"
    answer = client.post(url, {"files": [upload("contract.pdf", PDF)]})
    assert answer.headers["Location"] == f"/t/acme/mitigations/{mitigation.pk}/#files"
    assert Attachment.objects.get().mitigation == mitigation
    page = client.get(f"/t/acme/risks/{risk.code}/")
    assert page.context["files"] == []
    assert '<p class="mitigation-files">' in page.text
    assert "contract.pdf" in client.get(f"/t/acme/mitigations/{mitigation.pk}/").text
    assert "contract.pdf" in client.get(url).text


def test_reader_sees_files_and_why_none_can_be_added(cast: Cast, risk: Risk, add: Any) -> None:
    add()
    page = cast.client_for(cast.reader).get(f"/t/acme/risks/{risk.code}/files/")
    assert "notes.txt" in page.text
    assert "Readers cannot comment" in page.text
    assert 'type="file"' not in page.text
    answer = cast.client_for(cast.reader).post(f"/t/acme/risks/{risk.code}/files/", {"files": [upload()]})
    assert answer.status_code == 403


def test_page_of_a_risk_without_files_asks_nothing_about_them(
    cast: Cast, risk: Risk, make_risk: MakeRisk, add: Any, count_queries: Any
) -> None:
    client, url = cast.client_for(cast.reader), f"/t/acme/risks/{risk.code}/"
    client.get(url)
    without = count_queries(lambda: client.get(url))
    add()
    client.get(url)
    one = count_queries(lambda: client.get(url))
    for _number in range(29):
        add()
    assert one == without + 1
    assert count_queries(lambda: client.get(url)) == one


def test_comment_brings_its_files(cast: Cast, risk: Risk, htmx_headers: Any) -> None:
    client, url = cast.client_for(cast.contributor), f"/t/acme/risks/{risk.code}/comments/"
    sent = {"text": "See the proof", "files": [upload("proof.txt"), upload("b.pdf", PDF)]}
    answer = client.post(url, sent, headers=htmx_headers("discussion"))
    assert answer.status_code == 200
    comment = Comment.objects.get()
    assert [each.name for each in comment.attachments.all()] == ["proof.txt", "b.pdf"]
    assert "proof.txt" in answer.text
    page = client.get(f"/t/acme/risks/{risk.code}/")
    assert page.context["files"] == []
    assert "proof.txt" in page.text


def test_comment_whose_file_is_refused_is_not_said_and_keeps_its_text(
    cast: Cast, risk: Risk, folder: Path
) -> None:
    answer = cast.client_for(cast.contributor).post(
        f"/t/acme/risks/{risk.code}/comments/",
        {"text": "See the proof", "files": [upload(), upload("a.pdf", b"<html>")]},
    )
    assert answer.status_code == 422
    assert "See the proof" in answer.text
    assert "But its content is: Web page (HTML)" in answer.text
    assert (Comment.objects.count(), count_of(risk), stored(folder)) == (0, 0, [])


def test_file_of_a_refused_comment_is_taken_back(cast: Cast, risk: Risk, folder: Path) -> None:
    answer = cast.client_for(cast.contributor).post(
        f"/t/acme/risks/{risk.code}/comments/", {"text": "Hello @Nobody-here", "files": [upload()]}
    )
    assert answer.status_code == 422
    assert (Comment.objects.count(), Attachment.objects.count(), stored(folder)) == (0, 0, [])

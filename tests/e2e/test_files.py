"""Files in a real browser, and bodies that are far too large against the real server."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.files import PDF, PNG

RISK = "/t/demo/risks/VOICE-2/"
LARGE = 200 * 1024 * 1024
DROP = """([selector, name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, {type: "text/plain"}));
    for (const kind of ["dragover", "drop"]) {
        document.querySelector(selector).dispatchEvent(
            new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data}));
    }
}"""
PASTE = """([name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, {type: "text/plain"}));
    document.dispatchEvent(new ClipboardEvent("paste", {cancelable: true, clipboardData: data}));
}"""


def _names(page: Page) -> list[str]:
    return page.locator("#files .file-name").all_inner_texts()


def test_files_are_chosen_dropped_pasted_downloaded_and_deleted(
    open_as: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_as("manager")
    page.goto(RISK)
    (tmp_path / "报告 2026.pdf").write_bytes(PDF)
    (tmp_path / "picture.png").write_bytes(PNG)
    page.set_input_files("#files input[type=file]", [tmp_path / "报告 2026.pdf", tmp_path / "picture.png"])
    expect(page.locator("#files .file-name")).to_have_count(2)
    page.evaluate(DROP, [".file-drop", "dropped.txt", "dropped"])
    expect(page.locator("#files .file-name")).to_have_count(3)
    page.evaluate(PASTE, ["pasted.txt", "pasted"])
    expect(page.locator("#files .file-name")).to_have_count(4)
    assert _names(page) == ["报告 2026.pdf", "picture.png", "dropped.txt", "pasted.txt"]
    with page.expect_download() as download:
        page.click("text=报告 2026.pdf")
    assert download.value.suggested_filename == "报告 2026.pdf"
    assert Path(download.value.path()).read_bytes() == PDF
    for left in (3, 2, 1, 0):
        page.click("#files .file-list li:first-child a[id^=delete-file]")
        page.click("#dialog .btn-danger")
        expect(page.locator("#files .file-name")).to_have_count(left)


def test_file_that_lies_or_is_too_large_is_told_and_nothing_typed_is_lost(
    open_as: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_as("manager")
    page.goto(RISK)
    page.fill("#discussion textarea", "Half a comment")
    (tmp_path / "lie.pdf").write_bytes(b"<html><script>alert(1)</script>")
    page.set_input_files("#files input[type=file]", tmp_path / "lie.pdf")
    expect(page.locator("#files [data-problems]")).to_contain_text("But its content is: Web page (HTML)")
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(21 * 1024 * 1024)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.set_input_files("#files input[type=file]", tmp_path / "large.txt")
    expect(page.locator("#files [data-problems]")).to_have_text(
        re.compile("“large.txt” is larger than 20.0\\sMB")
    )
    assert requests == []
    assert page.input_value("#discussion textarea") == "Half a comment"


def test_comment_keeps_its_files_through_a_preview(open_as: Callable[..., Page], tmp_path: Path) -> None:
    page = open_as("manager")
    page.goto(RISK)
    (tmp_path / "proof.txt").write_text("proof")
    page.fill("#discussion textarea", "See the proof")
    page.set_input_files("#discussion input[type=file]", tmp_path / "proof.txt")
    page.click("#discussion button[name=preview]")
    expect(page.locator("#discussion .comment-preview")).to_be_visible()
    page.click("#discussion .comment-form button.btn-primary")
    comment = page.locator("#discussion .comment", has_text="See the proof")
    expect(comment.locator(".file-name")).to_have_text("proof.txt")


def test_files_are_added_and_deleted_without_java_script(
    open_as: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_as("manager", java_script=False)
    page.goto("/t/demo/risks/VOICE-3/")
    (tmp_path / "plain.txt").write_text("plain")
    page.set_input_files("#files input[type=file]", tmp_path / "plain.txt")
    page.click("#files form button[type=submit]")
    assert _names(page) == ["plain.txt"]
    page.click("#files a[id^=delete-file]")
    page.click("main form button[type=submit]")
    assert _names(page) == []


# --- far too much


def _server(site: str) -> list[psutil.Process]:
    """The processes of the server at this address."""
    port = str(urlsplit(site).port)
    roots = [each for each in psutil.process_iter(["cmdline"]) if port in (each.info["cmdline"] or [])]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def _memory(processes: list[psutil.Process]) -> int:
    return sum(each.memory_info().rss for each in processes)


def _temporary() -> int:
    """Bytes of uploads in the folder of temporary files."""
    return sum(each.stat().st_size for each in Path(tempfile.gettempdir()).glob("*.upload*"))


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_two_hundred_megabytes_are_refused_before_they_are_read(
    open_as: Callable[..., Page], site: str, signed_in: bool, kind: str
) -> None:
    page = open_as("manager" if signed_in else None)
    page.goto(RISK)
    cookies = page.context.cookies()
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in cookies)
    token = next((each["value"] for each in cookies if each["name"] == "csrftoken"), "x")
    processes = _server(site)
    assert processes
    before, peak, on_disk = _memory(processes), 0, 0
    address = urlsplit(site)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = (
            f"POST {RISK}files/ HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookie}\r\n"
            f"X-CSRFToken: {token}\r\nContent-Type: {kind}\r\nContent-Length: {LARGE}\r\n\r\n"
        )
        connection.sendall(head.encode())
        connection.sendall(b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n')
        sent = 0
        try:
            while sent < LARGE:
                sent += connection.send(b"x" * (1 << 20))
                peak = max(peak, _memory(processes))
                on_disk = max(on_disk, _temporary())
        except OSError:
            pass
        answer = connection.recv(65_536).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert sent < LARGE / 4
    assert peak - before < 30 * 1024 * 1024
    assert on_disk == 0


def test_browser_shows_the_sentence_about_two_hundred_megabytes(
    open_as: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_as("manager", java_script=False)
    page.goto(RISK)
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(LARGE)
    page.fill("#discussion textarea", "Half a comment")
    page.set_input_files("#files input[type=file]", path)
    page.click("#files form button[type=submit]")
    expect(page.locator("h1")).to_have_text("That is too much at once")
    expect(page.locator("main")).to_contain_text("A file may have 20.0\N{NO-BREAK SPACE}MB at most")
    page.go_back()
    assert page.input_value("#discussion textarea") == "Half a comment"
    os.unlink(path)

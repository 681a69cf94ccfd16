"""The whole main job in a browser: log from a template, score, respond, print.

By mouse, without JavaScript, and by keyboard alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

OpenAs = Callable[..., Page]


def _code(page: Page) -> str:
    found = re.search(r"/risks/([A-Z]+-\d+)/", page.url)
    assert found, page.url
    return found[1]


def _report(page: Page, register: str, language: str) -> str:
    """Choose the register and language on the report page, download, and read the text of the PDF."""
    page.goto("/t/demo/reports/")
    page.select_option("select[name=register]", register)
    page.select_option("select[name=language]", language)
    with page.expect_download() as download:
        page.locator("main form button[type=submit]").click()
    reader = PdfReader(io.BytesIO(download.value.path().read_bytes()))
    return "\n".join(sheet.extract_text() for sheet in reader.pages)


def test_risk_is_logged_from_a_template_scored_answered_and_printed(open_as: OpenAs) -> None:
    page = open_as("manager")
    page.goto("/t/demo/risks/new/?register=VOICE")
    title = page.get_by_label("Title", exact=True).first
    title.press_sequentially("Label errors", delay=20)
    page.get_by_role("button", name="Label errors silently cap model quality").click()
    expect(page.locator("[name=mitigations-0-title]")).not_to_have_value("")
    expect(title).to_have_value("Label errors silently cap model quality")
    page.get_by_role("button", name="Save the risk").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Label errors silently cap model quality")
    code = _code(page)

    page.get_by_role("link", name=re.compile("^Score")).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name=re.compile("^Almost certain × Severe")).check(force=True)
    expect(dialog.locator(".picker-answer")).to_contain_text("Critical")
    dialog.get_by_role("button", name="Score", exact=True).click()
    expect(dialog.locator("[role=alert]")).to_contain_text("The level changes")
    expect(dialog.get_by_role("radio", name=re.compile("^Almost certain × Severe"))).to_be_checked()
    dialog.get_by_label("Reason").fill("A new audit found one label in five wrong.")
    dialog.get_by_role("button", name="Score", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("A new audit found one label in five wrong.")
    expect(page.locator(".level").first).to_contain_text("10 Critical")

    page.locator("#mitigation-add").click()
    section = page.locator("#mitigation-section")
    section.get_by_label(re.compile("What is done")).first.fill("Audit every batch by a second vendor")
    section.get_by_role("button", name="Add the mitigation").click()
    expect(section).to_contain_text("Audit every batch by a second vendor")
    section.get_by_role("button", name=re.compile("^Start ?: Audit every batch")).click()
    expect(section.locator("li", has_text="Audit every batch")).to_contain_text("Under way")

    english = _report(page, "VOICE", "en")
    assert code in english
    assert "Audit every batch by a second vendor" in english
    chinese = _report(page, "VOICE", "zh-hans")
    assert "标注错误" in chinese


def test_main_job_works_without_java_script(open_as: OpenAs) -> None:
    page = open_as("manager", java_script=False)
    page.goto("/t/demo/risks/new/?register=TRANS&template=7")
    page.get_by_role("button", name="Save the risk").first.click()
    code = _code(page)
    assert code.startswith("TRANS-")

    page.goto(f"/t/demo/risks/{code}/assess/?kind=residual")
    page.get_by_role("radio", name=re.compile("^Rare × Minor")).check(force=True)
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator("[role=alert]")).to_contain_text("The level changes")
    page.get_by_label("Reason").fill("The feature was switched off.")
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator(".level").first).to_contain_text("2 Low")

    page.locator("#mitigation-add").click()
    page.get_by_label(re.compile("What is done")).first.fill("Keep it switched off")
    page.get_by_role("button", name="Add the mitigation").click()
    expect(page.locator("#mitigation-section")).to_contain_text("Keep it switched off")

    page.get_by_role("link", name=re.compile("^Close")).first.click()
    page.get_by_role("button", name=re.compile("^Close")).click()
    expect(page.locator("[role=alert]")).to_contain_text("Give a reason")
    page.get_by_label("Reason").fill("Nothing is left to lose.")
    page.get_by_role("button", name=re.compile("^Close")).click()
    expect(page.locator("main")).to_contain_text("Closed")
    assert code in _report(page, "TRANS", "en")


def _tab_to(page: Page, matches: Callable[[Page], bool], limit: int = 120) -> None:
    for _press in range(limit):
        if matches(page):
            return
        page.keyboard.press("Tab")
    raise AssertionError("not reached by the Tab key")


def _focused(attribute: str, text: str) -> Callable[[Page], bool]:
    script = f"""document.activeElement?.matches("a, button, input")
        && (document.activeElement.{attribute} ?? "").toString().trim().startsWith({text!r})"""
    return lambda page: bool(page.evaluate(script))


def test_main_job_works_by_keyboard_alone(open_as: OpenAs) -> None:
    page = open_as("contributor")
    page.goto("/t/demo/?register=VISION")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_have_text("New risk")
    _tab_to(page, _focused("name", "title"))
    page.keyboard.type("Drones watch the test site")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Drones watch the test site")
    expect(page.locator("main")).to_contain_text("Draft")

    _tab_to(page, _focused("textContent", "Score"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    _tab_to(page, _focused("type", "radio"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    chosen = page.locator("dialog input[type=radio]:checked")
    expect(chosen).to_have_count(1)
    value = chosen.get_attribute("value")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{page.url.split('?')[0]}assess/")
    expect(page.locator(f"input[type=radio][value='{value}']")).to_be_checked()


def test_logging_takes_three_clicks_or_two_fields(open_as: OpenAs) -> None:
    page = open_as("manager")
    page.goto("/t/demo/risks/new/?register=VOICE")
    page.locator(".suggestion-templates button").first.click()
    expect(page.locator("[name=mitigations-0-title]")).not_to_have_value("")
    page.get_by_role("button", name="Save the risk").first.click()
    expect(page).to_have_url(re.compile(r"/risks/VOICE-\d+/"))


def test_two_people_editing_one_risk_the_second_chooses(open_as: OpenAs) -> None:
    first, second = open_as("manager"), open_as("administrator")
    for page in (first, second):
        page.goto("/t/demo/risks/VISION-1/edit/")
    first.get_by_label("Event", exact=True).first.fill("What the first one wrote")
    first.get_by_role("button", name="Save").first.click()
    expect(first.locator("main")).to_contain_text("What the first one wrote")
    second.get_by_label("Event", exact=True).first.fill("What the second one wrote")
    second.get_by_role("button", name="Save").first.click()
    expect(second.locator("main")).to_contain_text("What the first one wrote")
    assert "What the second one wrote" in second.content()


def test_language_and_theme_change_in_place(open_as: OpenAs) -> None:
    page = open_as("reader")
    page.goto("/t/demo/risks/VOICE-1/")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    assert page.url.endswith("/t/demo/risks/VOICE-1/")
    expect(page.get_by_role("heading", level=1)).to_have_text("方言和车内语音的识别率达不到合同约定")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize(("keys", "heading"), [("gm", "Matrix"), ("gt", "Mitigations")])
def test_shortcuts_lead_to_pages(open_as: OpenAs, keys: str, heading: str) -> None:
    page = open_as("reader")
    page.goto("/t/demo/")
    for key in keys:
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_risk_is_moved_on_the_matrix_by_dragging(open_as: OpenAs) -> None:
    page = open_as("manager")
    page.goto("/t/demo/matrix/?register=TRANS")
    chip = page.get_by_role("link", name=re.compile("^TRANS-1$")).first
    code = chip.inner_text()
    chip.drag_to(page.locator(".heat-cell[data-place='1-1']"))
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_label("Reason").fill("Moved in the meeting.")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Score|Move|Save")).first.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"/t/demo/risks/{code}/")
    expect(page.locator("main")).to_contain_text("Moved in the meeting.")

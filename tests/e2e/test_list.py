"""The list of risks in a browser: what scripts add to it, and that it does without them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

OpenAs = Callable[..., Page]

LIST = "/t/demo/risks/"


@pytest.fixture
def page(open_as: OpenAs) -> Page:
    page = open_as("manager")
    page.goto(LIST)
    return page


def _count(page: Page) -> Locator:
    return page.locator(".list-count")


def test_typing_searches_keeps_the_focus_and_tells_the_count(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("TRANS-3", delay=30)

    expect(_count(page)).to_have_text("1 risk")
    expect(page.locator("#list-status")).to_have_text("1 risk")
    expect(page.locator("#list-search")).to_be_focused()
    assert page.url.endswith("?q=TRANS-3")
    page.go_back()
    expect(page).not_to_have_url(re.compile("q="))


def test_filter_stays_open_its_chip_takes_it_away_and_back_brings_it_again(page: Page) -> None:
    state = page.locator(".filter-menu", has_text="Treating")
    state.locator("summary").click()
    state.get_by_label("Draft").check()
    expect(page).to_have_url(re.compile(r"\?state=draft$"))
    expect(state).to_have_attribute("open", "")
    page.keyboard.press("Escape")

    page.locator("a.chip", has_text="Draft").click()
    expect(page).to_have_url(re.compile(r"/risks/$"))
    expect(state.get_by_label("Draft")).not_to_be_checked()

    page.go_back()
    expect(page.locator("a.chip", has_text="Draft")).to_be_visible()
    expect(state.get_by_label("Draft")).to_be_checked()


def test_owner_is_changed_in_its_cell_by_keyboard(page: Page) -> None:
    page.goto(LIST + "?q=VOICE-2&sort=code")
    link = page.locator("td.cell-owner a.edit").first
    before = link.inner_text()
    link.focus()
    page.keyboard.press("Enter")
    choice = page.locator("[data-popup] select")
    expect(choice).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("[data-popup]")).to_have_count(0)
    expect(link).to_be_focused()
    expect(link).to_have_text(before)

    page.keyboard.press("Enter")
    expect(choice).to_be_focused()
    choice.select_option("")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("td.cell-owner a.edit").first).to_have_text("Nobody")
    expect(page.locator("td.cell-owner a.edit").first).to_be_focused()


def test_second_to_save_in_a_cell_sees_both_and_chooses(page: Page, open_as: OpenAs) -> None:
    query = LIST + "?q=VISION-2&sort=code"
    page.goto(query)
    page.locator("td.cell-review a.edit").first.click()
    page.locator("[data-popup] input[type=date]").fill("2031-05-06")

    other = open_as("administrator")
    other.goto(query)
    other.locator("td.cell-review a.edit").first.click()
    other.locator("[data-popup] input[type=date]").fill("2032-01-02")
    other.locator("[data-popup]").get_by_role("button", name="Save").click()
    expect(other.locator("td.cell-review").first).to_have_text("2 Jan 2032")

    page.locator("[data-popup]").get_by_role("button", name="Save").click()
    expect(page.locator("[data-popup]")).to_contain_text("2 Jan 2032")
    expect(page.locator("[data-popup] input[type=date]")).to_have_value("2031-05-06")
    page.locator("[data-popup]").get_by_role("button", name="Save").click()
    expect(page.locator("td.cell-review").first).to_have_text("6 May 2031")


def test_range_is_ticked_with_shift_and_changed_in_a_dialog(page: Page) -> None:
    page.goto(LIST + "?register=TRANS&state=active&sort=code")
    boxes = page.locator("tbody input[name=risk]")
    boxes.nth(1).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("#bulk-count")).to_have_text("3")

    page.get_by_role("button", name="Change selected").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Change", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("Choose what to change.")
    dialog.get_by_label("Next review").fill("2033-03-04")
    dialog.get_by_role("button", name="Change", exact=True).click()

    expect(page.locator(".toast-line")).to_contain_text("3 risks are changed.")
    expect(page.locator("td.cell-review", has_text="4 Mar 2033")).to_have_count(3)
    expect(page).to_have_url(re.compile(r"register=TRANS&state=active&sort=code"))


def test_columns_and_density_are_chosen_and_stay_in_the_address(page: Page) -> None:
    display = page.locator(".list-bar .menu", has_text="Display")
    display.locator("summary").click()
    display.get_by_label("Expected loss a year").check()
    display.get_by_label("Category", exact=True).uncheck()
    display.get_by_label("Compact").check()
    display.get_by_role("button", name="Apply").click()

    expect(page.locator("th.cell-loss")).to_be_visible()
    page.reload()
    expect(page.locator("th.cell-loss")).to_be_visible()
    expect(page.locator("th.cell-category")).to_have_count(0)
    expect(page.locator("table.list-compact")).to_be_visible()


def test_without_scripts_filters_fields_and_many_changes_work(open_as: OpenAs) -> None:
    page = open_as("manager", java_script=False)
    page.goto(LIST)
    page.locator(".filter-menu summary", has_text="Category").click()
    page.locator(".filter-menu").get_by_label("Market").check()
    page.get_by_role("button", name="Apply").first.click()
    expect(page).to_have_url(re.compile("category=market"))

    page.locator("td.cell-owner a.edit").first.click()
    page.get_by_label("Owner").select_option("")
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("category=market"))
    expect(page.locator("td.cell-owner").first).to_have_text("Nobody")

    page.locator("tbody input[name=risk]").nth(0).check()
    page.locator("tbody input[name=risk]").nth(1).check()
    page.get_by_role("button", name="Change selected").click()
    expect(page.get_by_role("heading", name="Change 2 risks")).to_be_visible()
    page.get_by_label("Next review").fill("2034-01-02")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.locator(".toast-line")).to_have_text("2 risks are changed.")
    expect(page.locator("td.cell-review", has_text="2 Jan 2034")).to_have_count(2)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_narrow_list_keeps_code_title_level_and_owner_in_view(open_as: OpenAs, language: str) -> None:
    page = open_as("reader", language=language, width=390)
    page.goto(LIST)

    for name in ("code", "title", "level", "owner"):
        expect(page.locator(f"tbody .cell-{name}").first).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

"""The activity in a browser: a change is told, found by filter, undone in place, also without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenAs = Callable[..., Page]
RISK = "/t/demo/risks/VISION-2/"


def _rename(page: Page, title: str) -> None:
    page.goto(RISK + "edit/")
    page.fill("input[name=title_en]", title)
    page.click("main form .form-actions button[type=submit]")
    expect(page).to_have_url(re.compile(r"/VISION-2/$"))


def test_change_is_found_and_undone_from_the_activity_of_the_team(open_as: OpenAs) -> None:
    page = open_as("manager")
    _rename(page, "Renamed to be undone")
    page.goto("/t/demo/activity/")
    page.get_by_label("About").select_option("risk")
    expect(page).to_have_url(re.compile(r"/activity/\?type=risk$"))
    page.get_by_label("Act", exact=True).select_option("changed")
    expect(page).to_have_url(re.compile(r"act=changed"))
    line = page.locator(".activity > li").first
    expect(line).to_contain_text("Renamed to be undone")
    line.get_by_role("button", name=re.compile("Undo.*Title")).click()

    expect(page.locator("#toasts")).to_contain_text("The change is undone.")
    expect(page).to_have_url(re.compile(r"act=changed"))
    page.goto(RISK)
    expect(page.locator("#activity .activity > li").first).to_contain_text("undid a change")
    expect(page.locator("h1")).not_to_contain_text("Renamed to be undone")


@pytest.mark.parametrize("java_script", [True, False], ids=["scripts", "no scripts"])
def test_change_is_undone_on_the_page_of_the_risk(open_as: OpenAs, java_script: bool) -> None:
    page = open_as("manager", java_script=java_script)
    _rename(page, f"Renamed again {java_script}")
    page.locator("#activity").get_by_role("button", name=re.compile("Undo.*Title")).first.click()

    expect(page.locator("h1")).not_to_contain_text("Renamed again")
    expect(page).to_have_url(re.compile(r"/VISION-2/#activity$"))


def test_administrator_pages_through_the_trail(open_as: OpenAs) -> None:
    page = open_as("administrator")
    page.goto("/t/demo/activity/")
    newest = page.locator(".activity > li").first.get_attribute("id")
    page.get_by_role("link", name="Older").click()
    expect(page).to_have_url(re.compile("before="))
    expect(page.locator(f"#{newest}")).to_have_count(0)
    page.get_by_role("link", name="Newer").click()
    expect(page.locator(f"#{newest}")).to_be_visible()
    page.go_back()
    expect(page.locator(f"#{newest}")).to_have_count(0)
    expect(page.get_by_role("heading", name="Seal")).to_be_visible()

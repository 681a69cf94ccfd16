"""Talking about a risk in a browser: mention by autocomplete, the other's inbox, drafts, no JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

OpenAs = Callable[..., Page]
RISK = "/t/demo/risks/VOICE-10/"


def _text(page: Page) -> Locator:
    return page.locator("#discussion > form textarea")


def test_comment_with_mention_by_autocomplete_reaches_the_inbox(open_as: OpenAs) -> None:
    page = open_as("contributor")
    page.goto(RISK)
    text = _text(page)
    text.press_sequentially("@samp", delay=30)
    options = page.get_by_role("option")
    expect(options).to_have_text(["Morgan Sample"])
    expect(text).to_have_attribute("aria-activedescendant", options.first.get_attribute("id") or "")
    text.press("Enter")
    expect(text).to_have_value("@Morgan Sample ")
    expect(options).to_have_count(0)
    text.press_sequentially("the pilots of VOICE-5 **matter**.")
    page.get_by_role("button", name="Preview").click()
    preview = page.get_by_role("region", name="Preview")
    expect(preview.locator(".mentioned")).to_have_text("@Morgan Sample")
    _text(page).press("Control+Enter")
    comment = page.locator(".comment").last
    expect(comment.locator(".comment-text")).to_have_text("@Morgan Sample the pilots of VOICE-5 matter.")
    expect(page.get_by_role("status").first).to_contain_text("Your comment is there.")
    expect(_text(page)).to_have_value("")
    comment.get_by_role("link", name="VOICE-5").click()
    expect(page.locator("#back-links")).to_contain_text("VOICE-10")

    other = open_as("manager")
    other.goto("/me/inbox/")
    other.get_by_role("link", name=re.compile("mentioned you on VOICE-10")).first.click()
    expect(other).to_have_url(re.compile(r"/VOICE-10/#comment-\d+$"))
    expect(other.locator(".comment:target .mentioned-me")).to_have_text("@Morgan Sample")


def test_chinese_names_are_found_by_any_part(open_as: OpenAs) -> None:
    page = open_as("manager", language="zh-hans")
    page.goto(RISK)
    _text(page).press_sequentially("请@罗", delay=30)
    expect(page.get_by_role("option")).to_have_text(["示例·罗"])
    _text(page).press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(_text(page)).to_have_value("请@罗")


def test_draft_outlives_reload_and_expired_sign_in_until_it_is_saved(open_as: OpenAs) -> None:
    page = open_as("manager")
    page.goto(RISK)
    _text(page).press_sequentially("Not sent yet")
    page.reload()
    expect(_text(page)).to_have_value("Not sent yet")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page).to_have_url(re.compile("/accounts/login/"))
    page.click("button[name=role][value=manager]")
    page.goto(RISK)
    expect(_text(page)).to_have_value("Not sent yet")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".comment").last).to_contain_text("Not sent yet")
    page.reload()
    expect(_text(page)).to_have_value("")


def test_stranger_is_named_and_nothing_is_lost(open_as: OpenAs) -> None:
    page = open_as("manager")
    page.goto(RISK)
    _text(page).fill("Ask @Nobody, please")
    page.get_by_role("button", name="Comment", exact=True).click()
    alert = page.locator("#discussion .alert")
    expect(alert).to_contain_text("@Nobody is not a member of this team.")
    expect(alert).to_be_focused()
    expect(_text(page)).to_have_value("Ask @Nobody, please")


def test_comment_is_changed_and_deleted_in_its_place(open_as: OpenAs) -> None:
    page = open_as("manager")
    page.goto("/t/demo/risks/VOICE-13/")
    _text(page).fill("First words")
    page.get_by_role("button", name="Comment", exact=True).click()
    comment = page.locator("#discussion .comment").last
    comment.get_by_role("link", name=re.compile("^Edit")).click()
    area = comment.get_by_role("textbox", name="Your comment")
    expect(area).to_be_focused()
    area.press_sequentially(" and more")
    area.press("Control+Enter")
    expect(comment.locator(".comment-text")).to_have_text("First words and more")
    comment.get_by_role("link", name="edited").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".comment-text")).to_have_text(["First words and more", "First words"])
    dialog.get_by_role("link", name="Close").click()
    comment.get_by_role("link", name=re.compile("^Delete")).click()
    page.get_by_role("button", name="Delete the comment").click()
    expect(page.locator("#discussion .comment").last).to_contain_text("Deleted by its author, Morgan Sample")


def test_discussion_and_following_work_without_java_script(open_as: OpenAs) -> None:
    page = open_as("contributor", java_script=False)
    page.goto("/t/demo/risks/VOICE-15/")
    page.get_by_role("button", name=re.compile("^Follow")).click()
    expect(page.get_by_role("button", name=re.compile("^Unfollow"))).to_be_visible()
    _text(page).fill("@Nobody")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("#discussion .alert")).to_contain_text("@Nobody is not a member")
    _text(page).fill("@finley example: see VOICE-3")
    page.get_by_role("button", name="Comment", exact=True).click()
    comment = page.locator(".comment").last
    expect(comment.locator(".comment-text")).to_have_text("@Finley Example: see VOICE-3")
    comment.get_by_role("link", name=re.compile("^Edit")).click()
    page.get_by_label("Your comment").fill("Plain")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".comment").last.locator(".comment-text")).to_have_text("Plain")

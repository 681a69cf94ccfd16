"""The inbox and the way out of mail in a browser: keyboard, marking in place, without JavaScript, axe."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.test_axe import LOOKS, RUN

OpenAs = Callable[..., Page]


def mention_manager(open_as: OpenAs, code: str) -> None:
    page = open_as("contributor")
    page.goto(f"/t/demo/risks/{code}/")
    page.locator("#discussion > form textarea").fill("@Morgan Sample please look")
    page.locator("#discussion > form textarea").press("Control+Enter")
    expect(page.locator(".comment").last).to_contain_text("please look")


def unread(page: Page) -> int:
    count = page.locator("#bell .bell-count")
    return int(count.inner_text()) if count.count() else 0


def test_bell_leads_to_the_inbox_and_counts_down_in_place(open_as: OpenAs) -> None:
    mention_manager(open_as, "VOICE-11")
    page = open_as("manager")
    page.goto("/t/demo/")
    before = unread(page)
    assert before > 0
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page).to_have_url(re.compile(r"/me/inbox/$"))
    line = page.locator(".inbox-line", has_text="mentioned you on VOICE-11").first
    expect(line).to_contain_text("Unread")
    line.get_by_role("button", name="Mark as read").click()
    expect(line).not_to_contain_text("Unread")
    expect(page).to_have_url(re.compile(r"/me/inbox/$"))
    assert unread(page) == before - 1
    page.get_by_label("Show").select_option("unread")
    expect(page).to_have_url(re.compile(r"show=unread"))
    expect(page.locator(".inbox-line", has_text="mentioned you on VOICE-11")).to_have_count(0)


def test_inbox_without_javascript_marks_all_read(open_as: OpenAs) -> None:
    mention_manager(open_as, "VOICE-12")
    page = open_as("manager", java_script=False)
    page.goto("/me/inbox/?show=unread")
    expect(page.locator(".inbox-line").first).to_be_visible()
    page.get_by_role("button", name="Mark all as read").click()
    expect(page).to_have_url(re.compile(r"\?show=unread$"))
    expect(page.locator(".inbox-line")).to_have_count(0)
    expect(page.get_by_role("button", name="Mark all as read")).to_be_disabled()
    assert unread(page) == 0


TOKENS = """
from risks.enums import NoticeKind
from risks.models import User
from risks.services.delivery import unsubscribe_token
for number, language in enumerate({languages}):
    person = User.objects.create_user(f"mail{{number}}@acme.example", language=language)
    print(unsubscribe_token(person, [NoticeKind.COMMENT]))
"""


@pytest.fixture(scope="session")
def ways_out(site: str, manage: Callable[..., str]) -> dict[tuple[str, str, int], str]:
    """For each look a link out of a kind of mail, of somebody who has not used it."""
    languages = [language for language, _theme, _width in LOOKS]
    tokens = manage("shell", "-c", TOKENS.format(languages=languages)).splitlines()
    return {look: f"{site}/me/unsubscribe/{token}/" for look, token in zip(LOOKS, tokens, strict=True)}


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(map(str, look)))
def test_page_that_stops_mail_has_no_axe_violation_and_works(
    ways_out: dict[tuple[str, str, int], str], browser: Browser, axe_source: str, look: tuple[str, str, int]
) -> None:
    _language, theme, width = look
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        bypass_csp=True,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(ways_out[look])
    for done in (False, True):
        page.evaluate(axe_source)
        assert page.evaluate(RUN) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if not done:
            page.locator("main button").click()
            expect(page.locator("main button")).to_have_count(0)
    context.close()

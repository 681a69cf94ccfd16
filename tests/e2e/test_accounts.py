"""Passkeys and an authenticator app, with a device that Chromium plays."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

SUMMARY = "/me/security/"


@pytest.fixture
def with_device(open_as: Callable[..., Page], site: str) -> Callable[..., Page]:
    """A signed-in page at `localhost`, for passkeys need a name, and a device that says yes to everything."""

    def open_page(role: str | None, **look: Any) -> Page:
        page = open_as(None, **look)
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
            "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        page.goto(site.replace("127.0.0.1", "localhost") + "/accounts/login/")
        if role:
            page.click(f"button[name=role][value={role}]")
        return page

    return open_page


def go(page: Page, path: str) -> None:
    page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + path)


def sign_out(page: Page) -> None:
    go(page, "/accounts/logout/")
    page.click("main button[type=submit]")
    page.wait_for_url("**/accounts/login/")


def remove_all(page: Page) -> None:
    """Leave the demonstration's person as others expect them."""
    go(page, "/accounts/2fa/webauthn/")
    while page.locator("a[href$='/remove/']").count():
        page.locator("a[href$='/remove/']").first.click()
        page.click(".btn-danger")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_passkey_is_added_and_signs_in_alone(with_device: Callable[..., Page], language: str) -> None:
    page = with_device("contributor", language=language)
    errors: list[str] = []
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    go(page, "/accounts/2fa/webauthn/add/")
    page.fill("input[name=name]", "Laptop")
    page.click("main button[type=submit]")
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    assert page.locator(".codes li").count() == 10
    go(page, "/accounts/2fa/webauthn/")
    expect(page.locator(".way h2")).to_have_text("Laptop")
    sign_out(page)
    page.click("form[data-passkey=login] button")
    page.wait_for_url("**/t/demo/")
    expect(page.locator(".topbar")).to_contain_text("contributor@demo.example")
    remove_all(page)
    go(page, SUMMARY)
    assert errors == []


def test_passkey_is_the_second_factor_beside_the_password(with_device: Callable[..., Page]) -> None:
    page = with_device("reader")
    go(page, "/accounts/2fa/webauthn/add/")
    page.uncheck("input[name=passwordless]")
    page.click("main button[type=submit]")
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    sign_out(page)
    page.fill("input[name=login]", "reader@demo.example")
    page.fill("input[name=password]", "riskreg-demo")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/accounts/2fa/authenticate/")
    page.click("form[data-passkey=get] button")
    page.wait_for_url("**/t/demo/")
    remove_all(page)


def test_passkey_that_the_device_refuses_says_so_and_can_be_tried_again(
    with_device: Callable[..., Page],
) -> None:
    page = with_device(None)
    page.click("form[data-passkey=login] button")  # the device has none
    trouble = page.locator("form[data-passkey=login] [role=alert]")
    expect(trouble).to_contain_text("The browser did not go through with it")
    expect(page.locator("form[data-passkey=login] button")).to_be_enabled()


def test_passkey_at_a_numeric_address_says_what_to_do(open_as: Callable[..., Page]) -> None:
    page = open_as(None)
    page.goto("/accounts/login/")
    page.click("form[data-passkey=login] button")
    expect(page.locator("form[data-passkey=login] [role=alert]")).to_contain_text(
        "Open this site by its name"
    )


def test_authenticator_app_is_set_up_by_its_code_and_asked_for(open_as: Callable[..., Page]) -> None:
    page = open_as("reader")
    page.goto("/accounts/2fa/totp/activate/")
    square = page.locator(".totp-code img")
    assert square.evaluate("image => image.complete && image.naturalWidth") > 0  # the policy lets it through
    secret = page.locator(".totp-key").inner_text()

    def code() -> str:
        return format_hotp_value(hotp_value(secret, int(time.time()) // 30))

    page.fill("input[name=code]", code())
    page.click("main form button[type=submit]")
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    spare = page.locator(".codes code").first.inner_text()
    sign_out(page)
    page.click("button[name=role][value=reader]")
    page.wait_for_url("**/accounts/2fa/authenticate/")
    page.fill("input[name=code]", spare)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/t/demo/")
    page.goto("/accounts/2fa/totp/deactivate/")
    page.click(".btn-danger")
    page.goto(SUMMARY)
    expect(page.locator("section[aria-labelledby=way-app]")).to_contain_text("Off")


def test_pages_of_accounts_work_without_javascript(open_as: Callable[..., Page]) -> None:
    page = open_as("manager", java_script=False)
    page.goto("/accounts/2fa/totp/activate/")
    page.fill("input[name=code]", "000000")
    page.click("main form button[type=submit]")
    expect(page.locator("[role=alert]").first).to_contain_text("This code is not right")
    page.goto("/accounts/2fa/webauthn/add/")
    expect(page.locator("noscript")).to_be_attached()

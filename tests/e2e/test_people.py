"""Somebody is invited, joins by the link and sees the team in the role that was offered."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

PASSWORD = "a very good secret"


def _invite(page: Page, address: str, role: str) -> str:
    """Path of the link that the demonstration, which sends no mail, shows once."""
    page.goto("/t/demo/settings/invitations/")
    page.get_by_label("E-mail addresses").fill(address)
    page.get_by_label("Role", exact=True).select_option(role)
    page.get_by_role("button", name="Invite", exact=True).click()
    link = page.get_by_label(address, exact=True).input_value()
    page.goto("/t/demo/settings/invitations/")
    expect(page.get_by_role("cell", name=address, exact=True)).to_be_visible()
    expect(page.get_by_label(address, exact=True)).to_have_count(0)
    return urlsplit(link).path


def _join(page: Page, path: str, name: str) -> None:
    page.goto(path)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account and join").click()
    expect(page).to_have_url(re.compile(r"/t/demo/$"))


def test_invited_person_joins_in_the_role_and_is_made_manager(open_as: Callable[..., Page]) -> None:
    administrator, guest = open_as("administrator"), open_as(None)
    path = _invite(administrator, "nia@new.example", "reader")
    _join(guest, path, "Nia New")

    guest.goto("/t/demo/registers/")
    expect(guest.get_by_role("button", name="New register")).to_be_disabled()
    guest.goto(path)  # the same link again leads to the team
    expect(guest).to_have_url(re.compile(r"/t/demo/$"))

    administrator.goto("/t/demo/settings/members/")
    role = administrator.get_by_label("Role of Nia New")
    expect(role).to_have_value("reader")
    role.select_option("administrator")
    administrator.get_by_role("button", name="Change Nia New").click()
    expect(administrator.locator(".toast-line", has_text="Nia New: Administrator.")).to_be_visible()
    expect(administrator.get_by_label("Role of Nia New")).to_have_value("administrator")

    guest.goto("/t/demo/registers/")
    expect(guest.get_by_role("link", name="New register")).to_be_visible()


def test_person_joins_without_java_script(open_as: Callable[..., Page]) -> None:
    path = _invite(open_as("administrator"), "bo@new.example", "contributor")
    guest = open_as(None, java_script=False, width=390)
    _join(guest, path, "Bo New")

    stranger = open_as(None)
    assert stranger.goto(path).status == 410  # type: ignore[union-attr]
    expect(stranger.get_by_role("heading", name="This invitation has been used")).to_be_visible()


def test_member_who_leaves_hands_over(open_as: Callable[..., Page]) -> None:
    administrator, guest = open_as("administrator"), open_as(None)
    _join(guest, _invite(administrator, "cy@new.example", "contributor"), "Cy New")
    guest.goto("/t/demo/risks/new/?register=TRANS&template=7")
    guest.get_by_role("button", name="Save the risk").first.click()
    code = guest.url.rstrip("/").rpartition("/")[2]

    administrator.goto("/t/demo/settings/members/")
    administrator.get_by_role("link", name="Deactivate Cy New").click()
    expect(administrator.get_by_role("link", name=code).first).to_be_visible()
    administrator.get_by_label("Hand over to").select_option(label="Morgan Sample")
    administrator.get_by_role("button", name="Deactivate", exact=True).click()
    left = administrator.get_by_role("region", name="Have left")
    expect(left.locator(".member-name", has_text="Cy New")).to_be_visible()
    expect(administrator.locator(".toast-line", has_text="Morgan Sample owns")).to_be_visible()

    assert guest.goto(f"/t/demo/risks/{code}/").status == 404  # type: ignore[union-attr]
    administrator.goto(f"/t/demo/risks/{code}/")
    expect(administrator.locator("#content")).to_contain_text("Cy New (left)")

"""axe finds nothing: on every page, in both languages and themes, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import product

import pytest
from playwright.sync_api import Page

LONG_AGO = date.today() - timedelta(days=75)
PAGES = {
    "overview": "/t/demo/",
    "overview of a register": "/t/demo/?register=VOICE",
    "risks": "/t/demo/risks/",
    "risks, filtered to none": "/t/demo/risks/?q=zzzzz",
    "risks, wrong filter": "/t/demo/risks/?level=nonsense",
    "risk": "/t/demo/risks/VOICE-1/",
    "accepted risk": "/t/demo/risks/?state=accepted",
    "discussion": "/t/demo/risks/VOICE-1/comments/",
    "edit risk": "/t/demo/risks/VOICE-1/edit/",
    "score risk": "/t/demo/risks/VOICE-1/assess/",
    "close risk": "/t/demo/risks/VOICE-1/move/close/",
    "new risk": "/t/demo/risks/new/",
    "new risk from a template": "/t/demo/risks/new/?template=1",
    "new mitigation": "/t/demo/risks/VOICE-1/mitigations/new/",
    "matrix": "/t/demo/matrix/",
    "matrix with arrows": "/t/demo/matrix/?register=VOICE&kind=inherent&arrows=1",
    "mitigations": "/t/demo/mitigations/",
    "mitigation board": "/t/demo/mitigations/?view=board",
    "reports": "/t/demo/reports/",
    "activity": "/t/demo/activity/",
    "activity of a register, narrowed": "/t/demo/activity/?register=VOICE&act=assessed",
    "activity, wrong filter": "/t/demo/activity/?act=nonsense",
    "library": "/t/demo/library/",
    "library template": "/t/demo/library/1/",
    "registers": "/t/demo/registers/",
    "new register": "/t/demo/registers/new/",
    "archive a register": "/t/demo/registers/VOICE/archive/",
    "files of a risk": "/t/demo/risks/VOICE-1/files/",
    "profile": "/me/",
    "own data": "/me/data/",
    "new team": "/teams/new/",
    "settings of the team": "/t/demo/settings/",
    "members": "/t/demo/settings/members/",
    "deactivate a member": "/t/demo/settings/members/2/deactivate/",
    "hand over": "/t/demo/settings/members/2/hand-over/",
    "leave the team": "/t/demo/settings/leave/",
    "invitations": "/t/demo/settings/invitations/",
    "no such invitation": "/invitations/none/",
    "inbox": "/me/inbox/",
    "inbox, wrong filter": "/me/inbox/?kind=nonsense",
    "security": "/me/security/",
    "sessions": "/me/security/sessions/",
    "second factor demanded": "/me/security/second-factor/",
    "change password": "/accounts/password/change/",
    "change address": "/accounts/email/",
    "second factor": "/accounts/2fa/",
    "set up an app": "/accounts/2fa/totp/activate/",
    "passkeys": "/accounts/2fa/webauthn/",
    "add a passkey": "/accounts/2fa/webauthn/add/",
    "is it you": "/accounts/reauthenticate/",
    "single sign-on": "/accounts/3rdparty/",
    "sign out": "/accounts/logout/",
    "risks of a past day": f"/t/demo/risks/?as_of={LONG_AGO}",
    "matrix of a past day": f"/t/demo/matrix/?register=VOICE&arrows=1&as_of={LONG_AGO}",
    "risk of a past day": f"/t/demo/risks/VOICE-1/?as_of={LONG_AGO}",
    "no such day": "/t/demo/risks/?as_of=9999-12-31",
    "not found": "/t/demo/risks/VOICE-999/",
}
LOOKS = list(product(("en", "zh-hans"), ("light", "dark"), (1280, 390)))
RUN = """() => axe.run(document, {resultTypes: ["violations"]}).then(result =>
    result.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(" ")).join(" | ")}`))"""


def _violations(page: Page, address: str, axe_source: str) -> list[str]:
    page.goto(address)
    page.evaluate(axe_source)
    return [f"{address} {violation}" for violation in page.evaluate(RUN)]


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS, ids=lambda value: str(value))
def test_pages_have_no_axe_violation(
    open_as: Callable[..., Page], axe_source: str, language: str, theme: str, width: int
) -> None:
    page = open_as("administrator", language=language, theme=theme, width=width, bypass_csp=True)
    found = [each for address in PAGES.values() for each in _violations(page, address, axe_source)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_of_signing_in_have_no_axe_violation(
    open_as: Callable[..., Page], axe_source: str, language: str, width: int
) -> None:
    page = open_as(None, language=language, width=width, bypass_csp=True)
    pages = (
        "login/", "signup/", "inactive/", "password/reset/", "password/reset/done/", "confirm-email/",
        "password/reset/key/1-a/", "password/reset/key/done/", "confirm-email/x/",
        "3rdparty/login/cancelled/", "3rdparty/login/error/",
    )  # fmt: skip
    found = [each for address in pages for each in _violations(page, f"/accounts/{address}", axe_source)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_are_not_wider_than_the_screen(open_as: Callable[..., Page], language: str) -> None:
    page = open_as("administrator", language=language, width=390)
    wide = []
    for address in PAGES.values():
        page.goto(address)
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(address)
    assert wide == []


def test_pages_load_without_an_error_in_the_console(open_as: Callable[..., Page]) -> None:
    """Also: the content security policy blocks nothing that a page needs."""
    page = open_as("administrator")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    for name, address in PAGES.items():
        if name in ("not found", "no such day", "no such invitation") or name.endswith("wrong filter"):
            continue  # their status is an error, which the console tells
        page.goto(address)
    assert errors == []

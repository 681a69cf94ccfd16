"""The table of rights: for every address of the product, what it answers to whom.

HOW TO ADD A LINE. A test fails when an address has none, and names it. Add here

    "risk-close": line("403 403 403 200 200 404 302", "403 403 403 422 422 404 302", pk="comment"),

with the statuses to GET and to POST, each in the order of `world.ROLES`:

    reader, contributor, owner (a contributor whose risk it is), manager, administrator, outsider (who
    administers another team), signed out.

What is posted is garbage (`garbage=1`), so a form that may be sent answers 422, and an act that asks for
nothing is done (302) and taken back. To htmx the same, but 200 where a redirect becomes HX-Redirect. HEAD
answers like GET, every other method 405: no line needs to say so. `pk=` names the object whose id stands in
the address, a field of `world.Things`; `code="draft"` takes the contributor's draft, `key="archived"` the
register that is archived; `sends=` is posted instead of garbage where the right shows only then; `part=`
is the id of the element that htmx asks for there, if it is not the dialog. Run

    .venv/bin/pytest tests/test_rights.py -k risk-close

and read what differs: is the table wrong, or the view? Addresses of allauth and of the admin site have rules
for groups of them, below.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    get: str
    post: str
    sends: str = ""
    part: str = ""
    objects: tuple[tuple[str, str], ...] = ()


def line(get: str, post: str, *, sends: str = "", part: str = "", **objects: str) -> Line:
    return Line(get, post, sends, part, tuple(objects.items()))


LINES = {
    #                             GET                            POST
    "home":                 line("302 302 302 302 302 302 302", "405 405 405 405 405 405 405"),
    "health":               line("200 200 200 200 200 200 200", "405 405 405 405 405 405 405"),
    "setup":                line("404 404 404 404 404 404 404", "404 404 404 404 404 404 404"),
    "demo-login":           line("405 405 405 405 405 405 405", "404 404 404 404 404 404 404"),
    "profile":              line("200 200 200 200 200 200 302", "422 422 422 422 422 422 302"),
    "inbox":                line("200 200 200 200 200 200 302", "405 405 405 405 405 405 302"),
    "inbox-read":           line("405 405 405 405 405 405 302", "302 302 302 302 302 302 302"),
    "notice":               line("404 404 302 404 404 404 302", "405 405 405 405 405 405 302", pk="notice"),
    "notice-read":          line("405 405 405 405 405 405 302", "404 404 302 404 404 404 302", pk="notice"),
    "unsubscribe":          line("200 200 200 200 200 200 200", "200 200 200 200 200 200 200"),
    "own-data":             line("200 200 200 200 200 200 302", "200 200 200 200 200 200 302"),
    "preferences":          line("405 405 405 405 405 405 405", "302 302 302 302 302 302 302"),
    "security":             line("200 200 200 200 200 200 302", "405 405 405 405 405 405 405"),
    "sessions":             line("200 200 200 200 200 200 302", "302 302 302 302 302 302 302"),
    "second-factor":        line("200 200 200 200 200 200 302", "405 405 405 405 405 405 405"),
    "team-create":          line("403 403 403 403 403 403 302", "403 403 403 403 403 403 302"),
    "invitation":           line("403 403 403 403 403 403 200", "403 403 403 403 403 403 422"),
    "team-settings":        line("200 200 200 200 200 404 302", "403 403 403 403 422 404 302"),
    "team-leave":           line("200 200 200 200 200 404 302", "302 302 302 302 422 404 302"),
    "member-list":          line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "member-role":          line("405 405 405 405 405 405 405", "403 403 403 403 422 404 302", pk="member"),
    "member-hand-over":     line("403 403 403 403 200 404 302", "403 403 403 403 422 404 302", pk="member"),
    "member-deactivate":    line("403 403 403 403 200 404 302", "403 403 403 403 302 404 302", pk="member"),
    "member-reactivate":    line("405 405 405 405 405 405 405", "403 403 403 403 302 404 302", pk="left"),
    "member-pseudonymise":  line("403 403 403 403 403 404 302", "403 403 403 403 403 404 302", pk="member"),
    "invitation-list":      line("403 403 403 403 200 404 302", "403 403 403 403 422 404 302"),
    "invitation-send": line("405 405 405 405 405 405 405", "403 403 403 403 302 404 302", pk="invitation"),
    "invitation-revoke": line("405 405 405 405 405 405 405", "403 403 403 403 302 404 302", pk="invitation"),
    "overview":             line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "matrix":               line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "report-list":          line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "report-monthly":       line("422 422 422 422 422 404 302", "405 405 405 405 405 405 405"),
    "activity":             line("200 200 200 200 200 404 302", "405 405 405 405 405 404 302"),
    "activity-export":      line("200 200 200 200 200 404 302", "405 405 405 405 405 404 302"),
    "activity-verify":      line("405 405 405 405 405 404 302", "403 403 403 403 200 404 302"),
    "activity-undo": line("405 405 405 405 405 404 302", "403 403 302 302 302 404 302",
        pk="event", sends="field=strategy"),
    "library":              line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "library-template":     line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405", pk="library"),
    "register-list":        line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "register-create":      line("403 403 403 403 200 404 302", "403 403 403 403 422 404 302"),
    "register-update":      line("403 403 403 403 200 404 302", "403 403 403 403 422 404 302"),
    "register-export":      line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "register-archive":     line("403 403 403 403 200 404 302", "403 403 403 403 302 404 302"),
    "register-restore": line("405 405 405 405 405 405 405", "403 403 403 403 302 404 302", key="archived"),
    "register-remove": line("403 403 403 403 200 404 302", "403 403 403 403 422 404 302", key="archived"),
    "risk-list":            line("200 200 200 200 200 404 302", "405 405 405 405 405 404 302"),
    "risk-export":          line("200 200 200 200 200 404 302", "405 405 405 405 405 404 302"),
    "risk-bulk":           line("403 403 403 302 302 404 302", "403 403 403 200 200 404 302", sends="risk=1"),
    "risk-view-save":       line("405 405 405 405 405 404 302", "422 422 422 422 422 404 302"),
    "risk-view-delete":     line("405 405 405 405 405 404 302", "404 404 302 404 404 404 302", pk="view"),
    "risk-create":          line("403 200 200 200 200 404 302", "403 422 422 422 422 404 302"),
    "risk-detail":          line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "risk-update":          line("403 403 200 200 200 404 302", "403 403 422 422 422 404 302"),
    "risk-delete":          line("403 200 403 200 200 404 302", "403 302 403 302 302 404 302", code="draft"),
    "risk-field":           line("403 403 200 200 200 404 302", "403 403 422 422 422 404 302"),
    "risk-assess":          line("403 403 200 200 200 404 302", "403 403 422 422 422 404 302"),
    "risk-move":            line("403 403 403 200 200 404 302", "403 403 403 422 422 404 302"),
    "mitigation-create":    line("403 403 200 200 200 404 302", "403 403 422 422 422 404 302"),
    "indicator-create":     line("403 403 200 200 200 404 302", "403 403 422 422 422 404 302"),
    "indicator-update": line("403 403 200 200 200 404 302", "403 403 422 422 422 404 302", pk="indicator"),
    "indicator-delete": line("403 403 200 200 200 404 302", "403 403 302 302 302 404 302", pk="indicator"),
    "discussion":           line("200 200 200 200 200 404 302", "403 422 422 422 422 404 302"),
    "comment-detail":       line("302 302 302 302 302 404 302", "405 405 405 405 405 405 405", pk="comment"),
    "comment-update":       line("403 403 200 403 403 404 302", "403 403 422 403 403 404 302", pk="comment"),
    "comment-delete":       line("403 403 200 403 403 404 302", "403 403 302 403 403 404 302", pk="comment"),
    "comment-versions":     line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405", pk="comment"),
    "risk-follow":          line("405 405 405 405 405 405 405", "422 422 422 422 422 404 302"),
    "member-suggest":       line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "risk-files":           line("200 200 200 200 200 404 302", "403 422 422 422 422 404 302"),
    "attachment-download": line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405",
        pk="attachment"),
    "attachment-delete": line("403 403 200 200 200 404 302", "403 403 302 302 302 404 302", pk="attachment"),
    "mitigation-list":      line("200 200 200 200 200 404 302", "405 405 405 405 405 405 405"),
    "mitigation-update": line("200 200 200 200 200 404 302", "403 403 422 422 422 404 302", pk="mitigation"),
    "mitigation-state": line("405 405 405 405 405 405 405", "403 403 302 302 302 404 302", pk="mitigation"),
    "mitigation-delete": line("403 403 200 200 200 404 302", "403 403 302 302 302 404 302", pk="mitigation"),
    "mitigation-files": line("200 200 200 200 200 404 302", "403 422 422 422 422 404 302", pk="mitigation"),
}  # fmt: skip

GROUPS = ("account_", "mfa_", "socialaccount_", "usersessions_", "openid_connect_", "admin:")
"""How the names of others' addresses begin. Those of accounts ask for signing in, unless they are PUBLIC; the
admin site is for staff, and each of its pages for those with the permission."""

PUBLIC = {
    "account_login": 200,
    "account_inactive": 200,
    "account_signup": 200,
    "account_email_verification_sent": 200,
    "account_confirm_email": 404,
    "account_reset_password": 200,
    "account_reset_password_done": 200,
    "account_reset_password_from_key": 200,
    "account_reset_password_from_key_done": 200,
    "socialaccount_login_cancelled": 200,
    "socialaccount_login_error": 401,
    "openid_connect_login": 404,  # 302 to the issuer where single sign-on is set up
    "openid_connect_callback": 404,
}
"""Addresses of accounts that somebody who is not signed in may ask for, and what they answer."""

ADMIN = (
    "risks_mail add", "django_tasks_database_dbtaskresult add", "django_tasks_database_dbtaskresult delete",
    "risks_worker add", "risks_risk add", "risks_risk delete", "risks_mitigation add",
    "risks_mitigation delete", "risks_auditevent add", "risks_auditevent delete", "risks_auditevent history",
    "risks_team delete", "risks_register delete", "risks_user delete",
)  # fmt: skip
"""Pages of the admin site that nobody gets, not even who runs the installation: there it is read only."""

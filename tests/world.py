"""What the tests of rights and of bad input walk over: a team with one of everything, and another like it.

Also how they read a page: its forms, its links and whatever its content policy would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from risks import urls
from risks.enums import NoticeKind, Role
from risks.models import (
    Attachment,
    AuditEvent,
    Category,
    Comment,
    Indicator,
    Invitation,
    Matrix,
    Membership,
    Mitigation,
    Notice,
    Register,
    Risk,
    SavedView,
    Template,
    User,
)
from risks.services.attachment import attach
from risks.services.delivery import unsubscribe_token
from risks.services.discussion import add_comment, edit_comment
from risks.services.invitation import invite, secret_of
from risks.services.mitigation import add_indicator
from risks.services.register_life import archive_register
from risks.services.risk import update_risk
from risks.services.team import create_register, save_view
from tests import rights
from tests.cast import Cast
from tests.files import upload
from tests.rows import create

ROLES = ("reader", "contributor", "owner", "manager", "administrator", "outsider", "signed out")
"""The people of `tests.cast`; `outsider` administers the team `other`."""
URLS = {pattern.name: pattern for pattern in urls.urlpatterns}


# --- what is there


@dataclass
class Things:
    """One of everything that hangs on a team; mitigation, comment, file and view are the owner's."""

    risk: Risk
    mitigation: Mitigation
    indicator: Indicator
    comment: Comment
    attachment: Attachment
    event: AuditEvent
    view: SavedView
    template: Template
    category: Category
    matrix: Matrix
    register: Register
    archived: Register
    invitation: Invitation
    notice: Notice
    member: Membership
    left: Membership


@dataclass
class World:
    """`acme` with everything, a draft and two people who come and go; and the same in `other`."""

    cast: Cast
    own: Things
    foreign: Things
    draft: Risk
    library: Template

    @property
    def risk(self) -> Risk:
        return self.own.risk

    @property
    def mitigation(self) -> Mitigation:
        return self.own.mitigation

    def values(self, name: str) -> dict[str, Any]:
        """What stands in the address of this name, of `acme`: see `rights.LINES`."""
        named = dict(rights.LINES[name].objects)
        risk = self.draft if named.get("code") == "draft" else self.risk
        register = self.own.archived if named.get("key") == "archived" else self.own.register
        usual = {
            "team": "acme", "code": risk.code, "key": register.key, "field": "owner", "move": "close",
            "format": "csv", "secret": secret_of(self.own.invitation),
            "token": unsubscribe_token(self.cast.reader, [NoticeKind.COMMENT]),
        }  # fmt: skip
        if "pk" in named:
            usual["pk"] = self.library.pk if named["pk"] == "library" else getattr(self.own, named["pk"]).pk
        return {each: usual[each] for each in URLS[name].pattern.converters}

    def url(self, name: str, **changes: Any) -> str:
        values = self.values(name)
        return reverse(f"risks:{name}", kwargs=values | {k: v for k, v in changes.items() if k in values})

    def client(self, role: str) -> Client:
        client = Client() if role == "signed out" else self.cast.client_for(getattr(self.cast, role))
        client.raise_request_exception = False
        return client


@pytest.fixture
def world(
    cast: Cast,
    register: Register,
    make_risk: Callable[..., Risk],
    make_mitigation: Callable[..., Mitigation],
) -> World:
    cache.clear()  # attempts are counted there
    category = Category.objects.filter(team=None, parent=None).first()
    risk = make_risk(owner=cast.owner, residual=(3, 3), inherent=(4, 4), target=(2, 2), category=category)
    found = World(
        cast=cast,
        own=_things(cast, risk, register, make_mitigation, cast.owner),
        foreign=_things(cast, cast.other_risk, cast.other_register, make_mitigation, cast.outsider),
        draft=make_risk(state="draft", owner=cast.contributor),
        library=Template.objects.filter(team=None).order_by("pk")[0],
    )
    for person in (*cast.members.values(), cast.outsider):
        client = cast.client_for(person)  # signed in and seen before anything is compared
        client.get("/")
    return found


def _things(
    cast: Cast, risk: Risk, register: Register, make_mitigation: Callable[..., Mitigation], owner: User
) -> Things:
    team = register.team
    foreign = team == cast.other_team
    administrator = cast.outsider if foreign else cast.administrator
    by, own = cast.actor(administrator), cast.actor(owner)
    key = "foreign" if foreign else "own"
    risk = update_risk(risk, {"strategy": "avoid"}, by=by)
    comment = add_comment(risk, "Said by the owner", by=own)
    category = create(Category, team=team, key=key, name_en=f"The {key} category")
    old = {"key": "OLDER" if foreign else "OLD", "name_en": "An old one", "matrix": register.matrix}
    return Things(
        risk=risk,
        mitigation=make_mitigation(risk, owner=owner, by=administrator),
        indicator=add_indicator(
            Indicator(risk=risk, name_en="Errors", amber=1, red=2, bad_when="above"), by=by
        ),
        comment=edit_comment(comment, "Said better by the owner", by=own),
        attachment=attach([upload()], risk=risk, by=own)[0],
        event=AuditEvent.objects.filter(object_type="risk", object_id=risk.pk, verb="changed").latest("id"),
        view=save_view(team, owner, "Mine", "state=open"),
        template=create(
            Template, team=team, code=f"{key.upper()}-1", title_en=f"The {key} template", category=category
        ),
        category=category,
        matrix=create(Matrix, team=team, key=key, name_en=f"The {key} matrix"),
        register=register,
        archived=archive_register(create_register(team, old, by=by), by=by),
        invitation=invite(team, [f"guest@{key}.example"], role=Role.READER, language="en", by=by)[0],
        notice=Notice.objects.create(
            user=owner, team=team, risk=risk, kind=NoticeKind.DUE, made_at=timezone.now()
        ),
        member=_member(team, f"member-{key}", True),
        left=_member(team, f"left-{key}", False),
    )


def _member(team: Any, name: str, is_active: bool) -> Membership:
    person = User.objects.create_user(f"{name}@acme.example", "x", name=name)
    return create(Membership, team=team, user=person, role=Role.CONTRIBUTOR, is_active=is_active)


def everything() -> dict[str, list[Any]]:
    """All rows that people's acts could change."""
    kept = ("Historical", "Template", "Category", "Matrix", "Search", "Cache")
    models = [m for m in apps.get_app_config("risks").get_models() if not m.__name__.startswith(kept)]
    return {each.__name__: list(each._base_manager.order_by("pk").values()) for each in models}


@contextmanager
def undone() -> Iterator[None]:
    """What is written inside is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- reading pages


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    button: dict[str, str] = field(default_factory=dict)  # the first that sends it, if it has a name
    working: int = 0  # controls by which it can be sent
    dead: int = 0  # those that are disabled

    @property
    def is_enabled(self) -> bool:
        return self.working > 0 or self.dead == 0


class Page(HTMLParser):
    """The page's forms that post, its links and texts, and all in it that its content policy would refuse."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.refused: list[str] = []
        self.disabled: list[tuple[str, str]] = []
        """Buttons and menus that cannot be used: how each begins, and the reason in its title."""
        self._form: Form | None = None
        self._name = ""
        self._fieldsets: list[bool] = []  # whether each that is open is disabled
        self.feed(response.text)
        self.close()

    @property
    def enabled_forms(self) -> list[Form]:
        return [form for form in self.forms if form.is_enabled]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.texts += given.values()
        self._check(tag, given)
        links = [given[name] for name in ("href", "action", "src", "formaction") if name in given]
        self.links += links
        self.refused += [link for link in links if link.lower().strip().startswith(("javascript:", "data:"))]
        if tag == "form" and given.get("method") == "post":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        elif self._form:
            self._read_field(tag, given)
        self._read_control(tag, given)

    def _read_control(self, tag: str, given: dict[str, str]) -> None:
        if tag == "fieldset":
            self._fieldsets.append("disabled" in given)
        dead = "disabled" in given or any(self._fieldsets)
        if tag in ("button", "select") and "disabled" in given:
            self.disabled.append(
                (f"<{tag} {given.get('name', '')} {given.get('class', '')}>", given.get("title", ""))
            )
        sends = (tag == "button" and given.get("type", "submit") == "submit") or "data-submit" in given
        if self._form and (sends or (tag == "button" and dead)):
            self._form.working += not dead
            self._form.dead += dead
            if given.get("name") and tag == "button" and not dead and not self._form.button:
                self._form.button = {given["name"]: given.get("value", "")}

    def _check(self, tag: str, given: dict[str, str]) -> None:
        if tag == "style" or (tag == "script" and "src" not in given):
            self.refused.append(f"<{tag}>")
        handlers = [name for name in given if name == "style" or name.startswith(("on", "hx-on"))]
        self.refused += [f"{tag} {each}" for each in handlers]

    def _read_field(self, tag: str, given: dict[str, str]) -> None:
        assert self._form
        name, fields = given.get("name", ""), self._form.fields
        if tag in ("select", "textarea"):
            self._name = name
            fields.setdefault(name, "")
        elif tag == "option" and "selected" in given:
            fields[self._name] = given["value"]
        elif tag == "input" and name:
            fields.setdefault(name, "")
            if given.get("type") not in ("radio", "checkbox"):
                fields[name] = given.get("value", "")
            elif "checked" in given:
                fields[name] = given.get("value", "on")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "fieldset" and self._fieldsets:
            self._fieldsets.pop()
        elif tag == "textarea":
            self._name = ""

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._form and self._name and self.lasttag == "textarea":
            self._form.fields[self._name] += data.removeprefix("\n")


def check_page(response: Any) -> Page | None:
    """Every answer has the policy, and no HTML anything that it forbids."""
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return None
    page = Page(response)
    assert page.refused == []
    return page

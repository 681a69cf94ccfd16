"""Every address, every method, every role: own team, another team, signed out; and nothing of others ever.

The table is `tests/rights.py`, which says how to add a line.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from django.urls.exceptions import Resolver404

from risks import rules
from risks.exceptions import NotAllowed
from risks.models import Membership, Register, Risk, User
from risks.rules import Actor
from tests.rights import ADMIN, GROUPS, LINES, PUBLIC
from tests.rows import change, create
from tests.world import ROLES, URLS, World, check_page, everything, undone

pytestmark = pytest.mark.ignore_template_errors  # pages of allauth and of the admin site come from elsewhere
OTHER_METHODS = ("put", "delete", "patch", "options", "trace")


# --- all addresses have a line


def addresses(
    patterns: Any = None, prefix: str = "", namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, URLPattern]]:
    """Full name, route and pattern of every address, of included ones too."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            inner = (*namespaces, each.namespace) if each.namespace else namespaces
            yield from addresses(each.url_patterns, route, inner)
        else:
            yield ":".join((*namespaces, each.name or each.lookup_str)), route, each


EVERY = list(addresses())


def test_every_address_has_its_line() -> None:
    own = {name.removeprefix("risks:") for name, _route, _each in EVERY if name.startswith("risks:")}
    assert own ^ set(LINES) == set()


def test_every_address_of_others_is_of_a_group() -> None:
    rest = [name for name, _route, _each in EVERY if not name.startswith("risks:")]
    assert [name for name in rest if not name.startswith(tuple(GROUPS))] == []
    assert {name for name in rest if name in PUBLIC} == set(PUBLIC)


# --- who gets what


class Queries:
    """An execute wrapper that notes reads of what belongs to a team which do not begin at the team.

    The first read of a table in a request must ask for a team, or for what was found through one: a register,
    a risk, a person. Reading a row found in this way again by its id, to lock it, is no news.
    """

    owned = frozenset(
        {
            "risks_risk", "risks_mitigation", "risks_indicator", "risks_comment", "risks_commentversion",
            "risks_attachment", "risks_assessment", "risks_statechange", "risks_acceptance", "risks_register",
            "risks_savedview", "risks_invitation", "risks_notice", "risks_risklink", "risks_auditevent",
            "risks_follow", "risks_leveltally", "risks_historicalrisk", "risks_historicalmitigation",
            "risks_historicalregister",
        }
    )  # fmt: skip
    table = re.compile(r'(?:FROM|JOIN) "?(risks_\w+)"?')
    border = re.compile(
        r'"?(?:team_id|register_id|risk_id|user_id|subject_id|source_id|target_id|comment_id|secret_hash)"?'
        r"\s*(?:=|IN|IS)",
    )

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.found: list[str] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            tables = {
                name.replace("historical", "") for name in self.owned.intersection(self.table.findall(sql))
            }
            if self.border.search(sql):
                self.asked |= tables
            elif not tables <= self.asked:
                self.found.append(f"{sorted(tables - self.asked)}: {sql[:2000]}")
        return execute(sql, params, many, context)


def answers(world: World, name: str, method: str, **more: Any) -> str:
    """The statuses of all roles; what they do is taken back, and what is refused has done nothing."""
    before, statuses = everything(), []
    sent = QueryDict(LINES[name].sends or "garbage=1").dict()
    for role in ROLES:
        queries, url, client = Queries(), world.url(name), world.client(role)
        with undone():
            with connection.execute_wrapper(queries):
                response = getattr(client, method)(url, sent, **more)
                if response.streaming:
                    b"".join(response.streaming_content)
            statuses.append(str(response.status_code))
            check_page(response)
            if response.status_code >= 400:
                assert everything() == before
        assert queries.found == []
    return " ".join(statuses)


@pytest.mark.parametrize("name", LINES)
def test_rights(world: World, name: str) -> None:
    line = LINES[name]
    assert (answers(world, name, "get"), answers(world, name, "post")) == (line.get, line.post)

    # htmx, which asks for a part of the page: the same, but redirects are HX-Redirect
    headers = {"HX-Request": "true", "HX-Target": line.part or "dialog"}
    parts = answers(world, name, "get", headers=headers), answers(world, name, "post", headers=headers)
    assert tuple(each.replace("204", "200") for each in parts) == (
        line.get.replace("302", "200"), line.post.replace("302", "200"),
    )  # fmt: skip

    url, before = world.url(name), everything()
    for role, status in zip(ROLES, line.get.split(), strict=True):
        client = world.client(role)
        with undone():
            assert client.head(url, {"garbage": "1"}).status_code == int(status), role
        for method in OTHER_METHODS:
            answer = getattr(client, method)(url)
            assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST"), (role, method)
    assert everything() == before


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_or_field_makes_a_post_of_a_get(world: World, header: str) -> None:
    before = everything()
    url = world.url("mitigation-delete")
    answer = world.client("manager").get(url, {"_method": "POST"}, headers={header: "POST"})
    assert answer.status_code == 200
    answer = world.client("manager").post(world.url("overview"), headers={header: "DELETE"})
    assert answer.status_code == 405
    assert everything() == before


@pytest.mark.parametrize("name", ["risk-export", "activity-export", "register-export", "attachment-download"])
def test_head_of_what_is_handed_out_leaves_no_line(world: World, name: str) -> None:
    client, url, before = world.client("administrator"), world.url(name), everything()
    with undone():
        client.get(url)
        assert everything() != before
    client.head(url)
    assert everything() == before


# --- nothing of another team

PARTS = ("", "dialog", "risk-page", "risk-list", "mitigation-section", "activity", "discussion", "files")


def foreign_urls(world: World) -> Iterator[str]:
    """Every address, with another team in it, and with each of its objects exchanged for one of that team."""
    for name, pattern in URLS.items():
        values, converters = world.values(name), pattern.pattern.converters
        if "team" in converters:
            yield world.url(name, team="other")
        objects = dict(LINES[name].objects)
        if "code" in converters:
            yield world.url(name, code=world.foreign.risk.code)
        if "key" in converters:
            yield world.url(name, key=world.foreign.register.key)
            yield world.url(name, key=world.foreign.archived.key)
        if "pk" in converters:
            field = "template" if objects["pk"] == "library" else objects["pk"]
            theirs = getattr(world.foreign, field).pk
            assert theirs != values["pk"]
            yield world.url(name, pk=theirs)
            if "code" in converters:  # theirs below their own risk, and own below another risk
                yield world.url(name, pk=theirs, code=world.foreign.risk.code)
                yield world.url(name, code=world.draft.code)
        if "team" in converters:
            yield world.url(name) + "?register=OTHER"


@pytest.mark.parametrize("part", PARTS)
def test_foreign_objects_answer_404_to_the_page_and_to_each_part(world: World, part: str) -> None:
    client, before = world.client("administrator"), everything()
    headers = {"HX-Request": "true", "HX-Target": part} if part else {}
    asked = 0
    for url in foreign_urls(world):
        for method in (client.get, client.head, client.post):
            answer = method(url, {"field": "strategy"} if method == client.post else None, headers=headers)
            assert answer.status_code in (404, 405), (method.__name__, url)
            asked += answer.status_code == 404
    assert asked > 150
    assert everything() == before


def test_nothing_of_another_team_stands_in_any_page(world: World) -> None:
    """Pages, exports, suggestions and searches never say a word of the other team."""
    words = ["OTHER-1", "A risk of the other team", "Other register", "foreign", "Outsider", "outsider@"]
    words = [word for word in words if word]
    asked = 0
    for name in LINES:
        for query in ("", "?q=OTHER", "?q=foreign", "?q=outsider", "?title_en=A+risk+of+the+other+team"):
            with undone():  # what was asked for stands in the trail
                answer = world.client("administrator").get(world.url(name) + query)
                content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if answer.status_code != 200 or name in ("invitation", "unsubscribe"):
                continue
            text = content.decode("utf-8", "replace")
            told = query.partition("=")[2].replace("+", " ")
            assert [word for word in words if word in text.replace(told or "\0", "")] == [], (name, query)
            asked += 1
    assert asked > 100


def test_choices_of_another_team_are_never_offered_or_taken(world: World) -> None:
    """Ids of another team's people, categories, matrices and registers in every field of every form."""
    foreign = {
        "owner": world.cast.outsider.pk, "approver": world.cast.outsider.pk,
        "successor": world.cast.outsider.pk, "place": world.foreign.category.pk,
        "category": world.foreign.category.pk, "matrix": world.foreign.matrix.pk, "register": "OTHER",
        "person": world.cast.outsider.pk,
    }  # fmt: skip
    tried = 0
    for name in LINES:
        url = world.url(name)
        page = world.client("administrator").get(url)
        form = (page.context or {}).get("form") if page.status_code == 200 else None
        for field in set(getattr(form, "fields", ())) & set(foreign):
            choices = getattr(form.fields[field], "choices", ())
            flat = [str(key) for key, label in choices if not isinstance(label, list | tuple)]
            assert str(foreign[field]) not in flat, (name, field)
            with undone():
                before = everything()
                answer = world.client("administrator").post(url, {field: foreign[field]})
                assert answer.status_code in (405, 422), (name, field)
                assert everything() == before
            tried += 1
    assert tried >= 8


def test_owner_who_has_left_the_team_cannot_be_chosen(world: World) -> None:
    left, client = world.own.left.user, world.client("administrator")
    for name in ("risk-create", "risk-update", "mitigation-create", "mitigation-update"):
        page = client.get(world.url(name))
        people = [person.pk for person in page.context["form"].fields["owner"].queryset]
        assert left.pk not in people, name
        assert world.own.member.user_id in people, name


def test_many_at_once_with_a_foreign_risk_among_them_changes_none(world: World) -> None:
    client, url = world.client("manager"), world.url("risk-bulk")
    ids = [world.risk.pk, world.foreign.risk.pk]
    seen = client.post(url, {"risk": ids}).context["seen"]
    before = everything()
    page = client.post(url, {"risk": ids, "step": "save", "owner": "none", "seen": seen})
    assert page.status_code == 422
    assert "Nothing was changed: some of the risks ticked are not in this team" in page.text
    assert "OTHER-1" not in page.text
    assert everything() == before


def test_person_of_two_teams_acts_in_each_by_the_role_there(world: World) -> None:
    person, client = world.cast.reader, world.client("reader")
    create(Membership, team=world.cast.other_team, user=person, role="administrator")
    assert client.get(world.url("register-create")).status_code == 403
    assert client.get("/t/other/registers/new/").status_code == 200
    assert client.post(world.url("mitigation-state"), {"state": "done"}).status_code == 403
    mixed = world.url("mitigation-update", team="other")
    assert client.get(mixed).status_code == 404


def test_member_who_was_deactivated_finds_nothing(world: World) -> None:
    client = world.client("manager")
    assert client.get(world.url("overview")).status_code == 200
    change(Membership.objects.filter(user=world.cast.manager), is_active=False)
    for name, pattern in URLS.items():
        if "team" in pattern.pattern.converters:
            statuses = {client.get(world.url(name)).status_code, client.post(world.url(name)).status_code}
            assert statuses - {405} == {404}, name
    assert client.get(world.url("notice")).status_code == 404


# --- ids nobody has

NONSENSE = (
    "0", "-1", str(2**31), str(2**63), str(2**64), "9" * 200, "١٢", "１２", "1e3", "0x10", "1.0", "%00",
    "1%00", "%0A", "1%0A", "..%2f..%2f", "%2e%2e", "' OR 1=1--", "None", "null", "{{7*7}}", "%F0%9F%98%80",
    "VOICE-0", "VOICE-01", "VOICE-999999999", "voice-1%00", "VOICE--1", "OTHER-1", "*",
)  # fmt: skip
_MARKS = {"pk": 987654321, "code": "MARK-987654321"}


def nonsense_urls(world: World) -> Iterator[tuple[str, str]]:
    for name, pattern in URLS.items():
        for converter in pattern.pattern.converters:
            if converter == "token" or (converter == "team" and name != "overview"):
                continue
            mark = _MARKS.get(converter, "mark987654321")
            url = world.url(name, **{converter: mark})
            for text in NONSENSE:
                yield name, url.replace(str(mark), text)


def test_nonsense_in_the_place_of_ids_answers_404_and_never_500(world: World) -> None:
    client, before, asked = world.client("administrator"), everything(), 0
    for name, url in nonsense_urls(world):
        found = _resolved(url)
        for method in (client.get, client.post):
            with undone():
                answer = method(url)
            asked += 1
            if found == f"risks:{name}" and _is_our_own(world, url):
                continue
            assert answer.status_code in (400, 404, 405), (method.__name__, url)
    assert asked > 2000
    assert everything() == before


def _resolved(url: str) -> str:
    try:
        return resolve(urlsplit(url).path).view_name
    except (Resolver404, ValueError):
        return ""


def _is_our_own(world: World, url: str) -> bool:
    """`VOICE-01` is no code; what the nonsense happens to name must be one of the team's own things."""
    return any(text in url for text in (f"/{world.risk.code}/", f"/{world.draft.code}/"))


# --- controls that a role may not use


def reasons(world: World, role: str) -> set[str]:
    """Every reason that any rule gives this role against anything in the team."""
    person = getattr(world.cast, role)
    actor = Actor.of(Membership.objects.get(user=person, team=world.cast.team))
    things = [
        *vars(world.own).values(), world.draft, world.cast.team, world.own.member.user, None,
        *Register.objects.filter(team=world.cast.team), *Risk.objects.filter(team=world.cast.team),
        *Membership.objects.filter(team=world.cast.team),
    ]  # fmt: skip
    found = set()
    for name, check in inspect.getmembers(rules, inspect.isfunction):
        if not name.startswith("check_"):
            continue
        for thing in things:
            for arguments in _arguments(check, actor, thing):
                try:
                    check(*arguments)
                except NotAllowed as refusal:
                    found.add(str(refusal.message))
                except (AttributeError, TypeError, ValueError, KeyError):
                    continue  # not about such a thing
    return found


def _arguments(check: Callable[..., None], actor: Actor, thing: Any) -> Iterator[tuple[Any, ...]]:
    takes = list(inspect.signature(check).parameters)
    if takes[0] != "actor":
        yield (thing,)
    elif len(takes) == 1:
        yield (actor,)
    elif len(takes) == 2:
        yield actor, thing
    else:
        yield from ((actor, thing, move) for move in rules.MOVES)


OTHER_REASONS = {
    "A team needs an administrator. Make another member administrator first.",
    "There is nothing unread.",
}
"""Why something cannot be done by anybody now, which is no question of rights."""

PAGES = [name for name, line in LINES.items() if "200" in line.get.split()[:5]]


@pytest.mark.parametrize("role", ROLES[:5])
def test_enabled_controls_work_and_disabled_ones_say_why(world: World, role: str) -> None:
    """No link or form of a page is refused to who sees it; what is disabled says the rule's reason."""
    client, allowed = world.client(role), reasons(world, role) | OTHER_REASONS
    followed: dict[str, int] = {}
    silent: list[tuple[str, str]] = []
    for name in PAGES:
        answer = _asked(client, world.url(name))
        page = check_page(answer) if answer.status_code == 200 else None
        if page is None:
            continue
        for label, why in page.disabled:
            if why not in allowed:
                silent.append((name, f"{label}: {why!r}"))
        for form in page.enabled_forms:
            url = form.action or world.url(name)
            status = _sent(client, url, form.fields | form.button)
            assert status != 403, f"{role} may not send {url}, which {name} offers"
        for link in page.links:
            if link.startswith("/t/") and link not in followed:
                followed[link] = _asked(client, link).status_code
            assert followed.get(link) != 403, f"{role} may not open {link}, to which {name} leads"
    assert silent == []
    assert len(followed) > 20


def _asked(client: Client, url: str) -> Any:
    answer = client.get(url)
    if answer.streaming:
        b"".join(answer.streaming_content)  # to its end, which closes it
    return answer


def _sent(client: Client, url: str, fields: dict[str, str]) -> int:
    """The status, with everything taken back, even a sign-out."""
    cookies = client.cookies.output()
    with undone():
        answer = client.post(url, fields)
        if answer.streaming:
            b"".join(answer.streaming_content)
    client.cookies.clear()
    client.cookies.load(cookies.replace("Set-Cookie: ", ""))
    return answer.status_code


# --- the admin site and accounts


def admin_urls(world: World) -> Iterator[tuple[str, str, str]]:
    """Model, act and address of each page of the admin site."""
    for model in admin.site._registry:
        row = model._default_manager.order_by("pk").first()
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        for act in ("changelist", "add", "change", "delete", "history"):
            if row or act in ("changelist", "add"):
                needs = [] if act in ("changelist", "add") else [row.pk]
                yield label, act, reverse(f"admin:{label}_{act}", args=needs)


def test_admin_site_is_for_staff_alone(world: World) -> None:
    """Members, even administrators of a team, are sent to sign in; staff see nothing without permissions."""
    staff = User.objects.create_user("staff@acme.example", "x" * 12, is_staff=True)
    site = User.objects.create_superuser("site@acme.example", "x" * 12)
    clients = {"staff": _signed_in(staff), "superuser": _signed_in(site)}
    found: dict[str, dict[str, str]] = {}
    for label, act, url in admin_urls(world):
        for role in ROLES:
            answer = world.client(role).get(url)
            assert answer.status_code in (302, 403), (role, url)
        for role, client in clients.items():
            found.setdefault(role, {})[f"{label} {act}"] = str(client.get(url).status_code)
    assert "200" not in found["staff"].values()
    refused = {name for name, status in found["superuser"].items() if status != "200"}
    assert refused == set(ADMIN)


def _signed_in(person: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    client.get("/")
    return client


def test_pages_of_accounts_ask_for_signing_in_unless_they_are_public(world: World) -> None:
    fills = {"key": "x", "uidb36": "1", "provider_id": "sso", "pk": 1}
    for name, route, _pattern in EVERY:
        if name.startswith(("risks:", "admin:")):
            continue
        kwargs = {each: fills[each] for each in re.findall(r"<(?:\w+:)?(\w+)>", route)}
        answer = Client(raise_request_exception=False).get(reverse(name, kwargs=kwargs))
        there = answer.headers.get("Location", "")
        found = "login" if there.startswith(reverse("account_login")) else answer.status_code
        assert (name, found) == (name, PUBLIC.get(name, "login"))


def test_models_of_a_team_are_all_watched() -> None:
    """A new model with a team must be among those whose reads are watched, or be named here with a reason."""
    elsewhere = {
        "risks_category", "risks_template", "risks_matrix",  # may belong to all teams
        "risks_membership", "risks_historicalmembership",  # read by person before the team is known
        "risks_seal", "risks_historicalcategory", "risks_historicaltemplate", "risks_historicalmatrix",
    }  # fmt: skip
    tables = {
        model._meta.db_table for model in apps.get_app_config("risks").get_models()
        if any(field.name == "team" for field in model._meta.fields)
    }  # fmt: skip
    assert tables - Queries.owned == elsewhere & tables

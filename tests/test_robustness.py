"""Bad input, foreign objects and hostile texts: nothing answers 500, nothing is written, nothing leaks.

The tables here are held against the product's own lists of addresses, filters and form fields, so that a new
address without its rights, or a new field that cannot stand garbage, fails.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import openpyxl
import pytest
from django.core.cache import cache
from django.test import Client
from django.test.utils import override_settings
from django.urls import reverse
from django.utils import timezone

from risks.enums import Role
from risks.exchange.csv import plain
from risks.filters import MitigationFilter, RiskFilter
from risks.forms.account import SetupForm
from risks.forms.board import MatrixForm
from risks.forms.report import ReportForm
from risks.models import (
    Membership,
    Mitigation,
    Risk,
    Team,
    User,
)
from risks.services.mitigation import update_mitigation
from risks.services.risk import update_risk
from risks.tables import RiskTable
from tests.cast import PASSWORD
from tests.rights import LINES
from tests.rows import change, remove, save
from tests.world import URLS, World, check_page, everything, undone

FORM = "application/x-www-form-urlencoded"

NASTY = (
    "", "a%00b", "x" * 10_000, "9" * 20, "-1", "1e309", "NaN", "2026-13-45", "0001-01-01", "../..",
    "%3Cscript%3Ealert(1)%3C/script%3E", quote("“' OR 1=1--"), quote('"*) OR (" NEAR'),
    quote("😀\u202e\U0001e900"), "%ED%A0%80", "%0D%0ASet-Cookie:%20a=b",
)  # fmt: skip
"""Values as they stand in an address or a posted form; `%ED%A0%80`, half of a pair, is no UTF-8."""


@pytest.fixture(autouse=True)
def _unlimited(db: None) -> None:
    """Attempts to sign in are counted in the cache, over all tests."""
    cache.clear()


# --- what is of others, or of nobody


def foreign_addresses(world: World) -> list[str]:
    """With something of another team, or of another risk or person of one's own team."""
    foreign_code = world.cast.other_risk.code
    return [
        *(world.url(name, code=foreign_code) for name in URLS if "code" in URLS[name].pattern.converters),
        *(
            world.url(name, pk=pk)
            for name, pk in (
                ("library-template", world.foreign.template.pk),
                ("risk-view-delete", world.foreign.view.pk),
                ("risk-view-delete", world.own.view.pk),
                ("indicator-update", world.foreign.indicator.pk),
                ("indicator-delete", world.foreign.indicator.pk),
                ("mitigation-update", world.foreign.mitigation.pk),
                ("mitigation-state", world.foreign.mitigation.pk),
                ("mitigation-delete", world.foreign.mitigation.pk),
            )
        ),
        *(world.url(f"indicator-{act}", code=world.draft.code) for act in ("update", "delete")),
        *(world.url(name, pk=10**20) for name in URLS if "pk" in URLS[name].pattern.converters),
        *(world.url(name, code="VOICE-999999999") for name in ("risk-detail", "risk-update")),
        world.url("register-update", key="OTHER"),
        world.url("register-update", key="\x00"),
        world.url("risk-export", format="exe"),
        world.url("risk-field", field="team"),
        world.url("risk-move", move="delete"),
        world.url("risk-list") + "?register=OTHER",
        world.url("overview") + "?register=OTHER",
        world.url("matrix") + "?register=OTHER",
        world.url("library") + "?category=foreign",
        world.url("risk-assess") + "?kind=other",
        "/t/other/",
        "/t/nowhere/",
        "/nowhere/%00/%ED%A0%80",
    ]


def test_foreign_and_unknown_objects_answer_404_and_stay_as_they_are(world: World) -> None:
    client, before = world.client("administrator"), everything()
    for url in foreign_addresses(world):
        only_posts = any(word in url for word in ("/views/", "/state/"))
        statuses = {client.post(url).status_code} | (set() if only_posts else {client.get(url).status_code})
        assert statuses - {405} == {404}, url
    assert everything() == before


# --- ids of others in forms


def valid(world: World, name: str, role: str = "administrator", **arguments: Any) -> dict[str, str]:
    """The fields of the page's own form, as the browser would send them."""
    url = world.url(name, **arguments)
    page = check_page(world.client(role).get(url))
    assert page
    own = [form for form in page.forms if form.action in ("", url)] or page.forms
    return max(own, key=lambda form: len(form.fields)).fields


def test_ids_of_another_team_in_forms_are_refused(world: World) -> None:
    outsider, reader = str(world.cast.outsider.pk), str(world.cast.reader.pk)
    template = str(world.foreign.template.pk)
    category, matrix = str(world.foreign.category.pk), str(world.foreign.matrix.pk)
    cases: list[tuple[str, dict[str, Any], dict[str, str], set[str]]] = [
        ("risk-create", {}, {"title_en": "New", "owner": outsider}, {"owner"}),
        ("risk-create", {}, {"title_en": "New", "place": category}, {"place"}),
        ("risk-create", {}, {"title_en": "New", "register": "OTHER"}, {"register"}),
        ("risk-update", {}, {"owner": outsider}, {"owner"}),
        ("risk-update", {}, {"place": category}, {"place"}),
        ("risk-field", {"field": "owner"}, {"owner": outsider}, {"owner"}),
        ("risk-move", {"move": "accept"}, {"reason": "Why", "approver": outsider}, {"approver"}),
        ("risk-move", {"move": "accept"}, {"reason": "Why", "approver": reader}, {"approver"}),
        ("mitigation-create", {}, {"title_en": "New", "owner": outsider}, {"owner"}),
        ("mitigation-update", {}, {"owner": outsider}, {"owner"}),
        ("register-create", {}, {"key": "NEW", "name_en": "New", "matrix": matrix}, {"matrix"}),
        ("register-update", {}, {"matrix": matrix}, {"matrix"}),
    ]
    before = everything()
    for name, arguments, changes, at in cases:
        data = valid(world, name, **arguments) | changes
        response = world.client("administrator").post(world.url(name, **arguments), data)
        assert (name, response.status_code, set(response.context["form"].errors)) == (name, 422, at)
    assert everything() == before
    data = valid(world, "risk-create") | {"title_en": "New", "template": template}
    world.client("administrator").post(world.url("risk-create"), data)
    assert Risk.objects.get(title_en="New").template is None


def test_columns_that_no_form_offers_are_not_written(world: World) -> None:
    smuggled = {
        "team": world.cast.other_team.pk, "register": world.cast.other_register.pk, "code": "OTHER-9",
        "number": 9, "state": "closed", "created_by": world.cast.outsider.pk, "residual_rank": 1,
        "residual_level": 1, "expected_loss": 9, "template": world.foreign.template.pk,
        "risk": world.cast.other_risk.pk,
    }  # fmt: skip
    data = valid(world, "risk-update") | {"title_en": "Changed"} | smuggled
    columns = [each for each in smuggled if each != "risk"]
    before = Risk.objects.values(*columns).get(pk=world.risk.pk)
    assert world.client("owner").post(world.url("risk-update"), data).status_code == 302
    assert Risk.objects.values(*columns).get(pk=world.risk.pk) == before
    changes = {"title_en": "Changed", "risk": world.cast.other_risk.pk, "team": world.cast.other_team.pk}
    data = valid(world, "mitigation-update") | changes
    assert world.client("owner").post(world.url("mitigation-update"), data).status_code == 302
    changed = Mitigation.objects.get(title_en="Changed")
    assert (changed.risk, changed.team) == (world.risk, world.cast.team)


def test_bulk_change_of_foreign_risks_leaves_them_alone(world: World) -> None:
    before, data = everything(), {"risk": world.cast.other_risk.pk, "step": "save", "owner": "none"}
    page = world.client("manager").post(world.url("risk-bulk"), data)
    assert page.status_code < 500
    assert everything() == before


# --- garbage


def lists(*names: str) -> list[str]:
    return [*names, "register", "sort", "columns", "density", "per_page", "page"]


PARAMETERS = {
    "overview": ["register"],
    "risk-list": lists(*RiskFilter.base_filters),
    "risk-export": lists(*RiskFilter.base_filters)[:-2],
    "mitigation-list": lists(*MitigationFilter.base_filters, "view"),
    "matrix": [*MatrixForm.base_fields, "register"],
    "library": ["q", "category", "register"],
    "library-template": ["register"],
    "report-list": ["register"],
    "report-monthly": [*ReportForm.base_fields],
    "risk-detail": ["page", "register"],
    "risk-create": ["register", "template", "title", "title_en"],
    "risk-assess": ["kind"],
    "risk-field": ["next"],
    "mitigation-update": ["next"],
    "mitigation-create": ["next"],
    "register-list": ["register"],
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_garbage_in_the_address_never_answers_500(world: World, name: str) -> None:
    client, url, before = world.client("administrator"), world.url(name), everything()
    with undone():
        for parameter in PARAMETERS[name]:
            twice = f"{parameter}=1&{parameter}=%00&{parameter}[]=1&{parameter}[$ne]&{parameter}"
            for query in (*(f"{parameter}={value}" for value in NASTY), twice):
                response = client.get(f"{url}?{query}")
                assert response.status_code in (200, 302, 404, 422), query[:200]
                assert "Set-Cookie" not in response.headers.get("Location", "")
    if name != "risk-export":
        assert everything() == before


def test_garbage_as_words_of_a_search_never_answers_500(
    world: World, htmx_headers: Callable[[str], dict[str, str]]
) -> None:
    for value in NASTY:
        url, client = world.url("risk-create"), world.client("contributor")
        response = client.get(f"{url}?title_en={value}", headers=htmx_headers("suggestions"))
        assert response.status_code == 200
        check_page(response)


POSTED: list[tuple[str, str, dict[str, Any]]] = [
    ("profile", "", {}),
    ("register-create", "", {}),
    ("register-update", "", {}),
    ("risk-create", "", {}),
    ("risk-update", "", {}),
    ("risk-delete", "", {}),
    ("risk-field", "", {"field": "owner"}),
    ("risk-field", "", {"field": "state"}),
    ("risk-field", "", {"field": "review"}),
    ("risk-assess", "", {}),
    ("risk-move", "", {"move": "close"}),
    ("risk-move", "", {"move": "accept"}),
    ("mitigation-create", "", {}),
    ("mitigation-update", "", {}),
    ("mitigation-delete", "", {}),
    ("indicator-create", "", {}),
    ("indicator-update", "", {}),
    ("indicator-delete", "", {}),
    ("risk-list", "", {}),
    ("mitigation-list", "?view=board", {}),
]
ROW = {
    "mitigations-0-keep": "on", "mitigations-0-kind": "prevention", "mitigations-0-title": "Test",
    "indicators-0-keep": "on", "indicators-0-name": "Errors", "indicators-0-bad_when": "above",
    "indicators-0-amber": "1", "indicators-0-red": "2",
}  # fmt: skip
POSTED_VALUES = tuple(value for value in NASTY if value != "../..")


@pytest.mark.parametrize(("name", "query", "arguments"), POSTED)
def test_garbage_in_a_form_never_answers_500_and_writes_nothing(
    world: World, name: str, query: str, arguments: dict[str, Any]
) -> None:
    client, url, before = world.client("administrator"), world.url(name, **arguments), everything()
    page = check_page(client.get(url + query))
    assert page
    for form in page.forms:
        if form.action == reverse("account_logout"):
            continue
        fields = form.fields | ({**ROW, "title_en": "New"} if name == "risk-create" else {})
        for body in bodies(fields):
            with undone():
                response = client.post(form.action or url, body, content_type=FORM)
                assert response.status_code in (200, 302, 404, 409, 422), body[:300]
                if response.status_code != 302:
                    assert everything() == before, body[:300]


def bodies(fields: dict[str, str]) -> Iterator[str]:
    """One field bad or missing, with the values taken in turns for there are many; all bad; none there."""
    fields = {name: value for name, value in fields.items() if name != "csrfmiddlewaretoken"}
    turns = cycle((None, *POSTED_VALUES))
    for name in fields:
        rest = urlencode({other: value for other, value in fields.items() if other != name})
        for value in islice(turns, 2):
            yield rest if value is None else f"{rest}&{name}={value}"
    for value in POSTED_VALUES:
        yield "&".join(f"{name}={value}" for name in fields)
    yield ""


def test_garbage_for_many_risks_at_once_never_answers_500(world: World) -> None:
    for value in POSTED_VALUES:
        client, before = world.client("manager"), everything()
        good = {"risk": str(world.risk.pk), "step": "save", "owner": "none"}
        for name in (*good, "category", "next_review_date", "move", "reason", "all"):
            with undone():
                body = urlencode({other: text for other, text in good.items() if other != name})
                response = client.post(world.url("risk-bulk"), f"{body}&{name}={value}", content_type=FORM)
                assert response.status_code in (200, 302, 422), name
                if response.status_code != 302:
                    assert everything() == before


@pytest.mark.ignore_template_errors
def test_garbage_at_the_doors_never_answers_500(world: World) -> None:
    for value in NASTY:
        cache.clear()  # which counts attempts
        client = world.client("signed out")
        for url, names in (
            (reverse("account_login"), ("login", "password", "next", "remember")),
            (reverse("account_reset_password"), ("email",)),
            (world.url("preferences"), ("language", "theme", "next")),
        ):
            response = client.post(url, "&".join(f"{name}={value}" for name in names), content_type=FORM)
            assert response.status_code in (200, 302, 422, 429), url
            check_page(response)
        client.cookies["riskreg_theme"] = client.cookies["riskreg_language"] = value
        response = client.get(reverse("account_login"), headers={"Accept-Language": value})
        assert response.status_code == 200
        check_page(response)


def test_garbage_in_the_first_set_up_never_answers_500(db: None, client: Client) -> None:
    client.raise_request_exception = False
    for value in NASTY:
        body = "&".join(f"{name}={value}" for name in SetupForm.base_fields)
        response = client.post(reverse("risks:setup"), body, content_type=FORM)
        assert response.status_code == 422
        check_page(response)
    assert not User.objects.exists()


@pytest.mark.ignore_template_errors
def test_too_many_attempts_to_sign_in_answer_with_our_page(world: World) -> None:
    client, wrong = Client(), {"login": world.cast.reader.email, "password": "wrong"}
    answers = [client.post(reverse("account_login"), wrong) for _attempt in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert "Too many attempts" in check_page(refused[0]).text  # type: ignore[union-attr]


def test_bodies_that_cannot_be_read_answer_with_our_page_and_write_nothing(world: World) -> None:
    client, url, before = world.client("manager"), world.url("risk-update"), everything()
    multipart = "multipart/form-data; boundary=b"
    cut = b'--b\r\nContent-Disposition: form-data; name="title_en"\r\n\r\nnew'
    for body, content_type, status in (
        (b"\x00\xff" * 100, FORM, 422),
        (b'{"title_en": "new"}', "application/json", 422),
        (b"title_en=new", "text/plain", 422),
        (b"title_en=new", "", 422),
        (cut, multipart, 422),
        (b"garbage", multipart, 422),
        (cut, "multipart/form-data", 400),
        (cut, "multipart/form-data; boundary=\x01", 400),
        (b"title_en=" + b"x" * 3_000_000, FORM, 413),
        (b"&".join(b"a=1" for _ in range(3_001)), FORM, 400),
    ):
        response = client.post(url, body, content_type=content_type)
        assert response.status_code == status, (body[:50], content_type)
        assert "RiskReg" in check_page(response).text  # type: ignore[union-attr]
    assert everything() == before


def test_form_without_its_token_is_refused_on_our_page(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.cast.manager)
    before = everything()
    urls_posted = [
        world.url(name) for name, line in LINES.items()
        if set(line.post.split()) != {"405"} and name != "unsubscribe"  # its token is the proof
    ]  # fmt: skip
    for url in [*urls_posted, reverse("account_login"), reverse("account_logout")]:
        response = client.post(url, {"csrfmiddlewaretoken": "x" * 64})
        assert response.status_code == 403, url
        assert "This form is too old" in check_page(response).text  # type: ignore[union-attr]
    assert everything() == before


def test_unknown_host_answers_400(world: World) -> None:
    response = world.client("manager").get(world.url("overview"), headers={"Host": "evil.example"})
    assert response.status_code == 400
    check_page(response)


# --- texts stay texts

EVIL = "=1+1\"'><x-evil onclick=alert(1)>{{7|add:7}}😀\u202e%s</script>"
"""A formula, HTML that leaves an attribute, template syntax, an emoji, right-to-left, a format."""


@pytest.fixture
def evil(world: World, make_mitigation: Callable[..., Mitigation]) -> World:
    """Every text that people write is EVIL."""
    cast = world.cast
    User.objects.filter(pk__in=[cast.owner.pk, cast.manager.pk]).update(name=EVIL)
    Team.objects.filter(pk=cast.team.pk).update(name_en=EVIL)
    world.risk.register.name_en = world.risk.register.description_en = EVIL
    save(world.risk.register)
    cast.owner.refresh_from_db()
    cast.manager.refresh_from_db()
    owner = world.client("owner")
    texts = dict.fromkeys(["title_en", "cause_en", "event_en", "consequence_en"], EVIL)
    assert owner.post(world.url("risk-update"), valid(world, "risk-update") | texts).status_code == 302
    data = valid(world, "mitigation-update") | {
        "kind": "contingency", "title_en": EVIL, "trigger_en": EVIL, "start_date": "",
        "due_date": "2026-01-01",
    }  # fmt: skip
    assert owner.post(world.url("mitigation-update"), data).status_code == 302
    data = valid(world, "indicator-update") | {"name_en": EVIL, "unit_en": EVIL[:30]}
    assert owner.post(world.url("indicator-update"), data).status_code == 302
    data = valid(world, "risk-assess") | {"cell": "5-5", "reason": EVIL}
    assert owner.post(world.url("risk-assess"), data).status_code == 302
    change(Membership.objects.filter(user=cast.owner), role=Role.ADMINISTRATOR)
    for move in ("treat", "pause"):
        data = {"reason": EVIL}
        assert owner.post(world.url("risk-move", move=move), data).status_code == 302
    return world


COLUMNS = "&".join(f"columns={name}" for name in RiskTable.base_columns)
SHOWING = [
    ("overview", ""), ("risk-list", f"?{COLUMNS}"), ("risk-list", f"?q={quote(EVIL)}"), ("risk-detail", ""),
    ("risk-update", ""), ("risk-assess", ""), ("risk-move", ""), ("risk-field", ""), ("matrix", "?arrows=1"),
    ("risk-create", f"?title={quote(EVIL)}"), ("mitigation-list", ""), ("mitigation-list", "?view=board"),
    ("mitigation-update", ""), ("mitigation-delete", ""), ("indicator-update", ""), ("indicator-delete", ""),
    ("register-list", ""), ("register-update", ""), ("report-list", ""), ("library", f"?q={quote(EVIL)}"),
    ("profile", ""),
]  # fmt: skip


def test_text_with_html_is_shown_as_text(evil: World) -> None:
    for name, query in SHOWING:
        page = check_page(evil.client("owner").get(evil.url(name) + query))
        assert page
        assert "x-evil" not in page.tags, name
        assert EVIL in page.text, name


def test_text_with_html_in_a_toast_stays_text(evil: World) -> None:
    client = evil.client("owner")
    page = check_page(client.post(evil.url("risk-view-save"), {"name": EVIL[:60]}, follow=True))
    assert page
    assert f"The view “{EVIL[:60]}” is saved." in page.text
    assert EVIL[:60] in page.texts  # in the menu of views
    assert "x-evil" not in page.tags


def test_text_in_two_versions_is_shown_as_text(evil: World) -> None:
    data = valid(evil, "risk-update", "owner")
    update_risk(evil.risk, {"title_en": "Theirs" + EVIL}, by=evil.cast.actor(evil.cast.manager))
    page = check_page(evil.client("owner").post(evil.url("risk-update"), data | {"title_en": "Mine" + EVIL}))
    assert page
    assert "x-evil" not in page.tags
    assert "Theirs" + EVIL in page.text
    assert "Mine" + EVIL in page.text


def test_formula_in_csv_is_neutral(evil: World) -> None:
    response = evil.client("reader").get(evil.url("risk-export"))
    content = b"".join(response.streaming_content).decode("utf-8-sig")
    rows = {row["Code"]: row for row in csv.DictReader(io.StringIO(content, newline=""))}
    row = rows[evil.risk.code]
    assert {row[name] for name in ("Title (English)", "Event (English)", "Owner")} == {"'" + EVIL}


@pytest.mark.parametrize("start", ["\n=", "＝", "＋", "－", "＠"])
def test_start_that_some_spreadsheet_takes_for_a_formula_is_neutral(start: str) -> None:
    assert plain(start + "1+1") == "'" + start + "1+1"


def test_formula_in_xlsx_is_a_string(evil: World) -> None:
    response = evil.client("reader").get(evil.url("risk-export", format="xlsx"))
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content))).active
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value == EVIL]
    assert len(cells) == 5
    assert {cell.data_type for cell in cells} == {"s"}
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f" or cell.hyperlink]


def test_downloads_have_plain_names(evil: World) -> None:
    for file_format in ("csv", "xlsx"):
        url = evil.url("risk-export", format=file_format)
        for query, source in (("", "acme"), ("?register=VOICE", "VOICE")):
            response = evil.client("reader").get(url + query)
            b"".join(response.streaming_content)  # to its end: closing it early would close the connection
            header = response.headers["Content-Disposition"]
            assert header == f'attachment; filename="{source}-{timezone.localdate()}.{file_format}"'


PARTIALS = [
    ("risk-list", "", "risk-list"), ("risk-field", "", "VOICE-1-owner"), ("risk-detail", "", "risk-page"),
    ("risk-detail", "", "activity"), ("risk-assess", "", "dialog"), ("risk-move", "", "dialog"),
    ("risk-delete", "", "dialog"), ("indicator-update", "", "dialog"), ("indicator-delete", "", "dialog"),
    ("mitigation-create", "", "mitigation-section"), ("mitigation-update", "", "mitigation-section"),
    ("mitigation-list", "?view=board", "mitigation-page"), ("matrix", "?arrows=1", "matrix-page"),
    ("risk-create", "?title_en=risk", "suggestions"),
]  # fmt: skip


def test_part_of_a_page_keeps_to_the_policy(
    evil: World, htmx_headers: Callable[[str], dict[str, str]]
) -> None:
    for name, query, target in PARTIALS:
        response = evil.client("owner").get(evil.url(name) + query, headers=htmx_headers(target))
        page = check_page(response)
        assert page
        assert "html" not in page.tags, (name, target)
        assert "x-evil" not in page.tags, (name, target)


@pytest.mark.ignore_template_errors
def test_pages_before_signing_in_keep_to_the_policy(world: World) -> None:
    names = ("account_login", "account_signup", "account_reset_password", "account_reset_password_done")
    for name in names:
        check_page(world.client("signed out").get(reverse(name)))
    with override_settings(DEMO=True):
        check_page(world.client("signed out").get(reverse("account_login")))


# --- addresses of elsewhere

ELSEWHERE = (
    "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "http:///evil.example",
    "https:evil.example", "\thttps://evil.example", "/\t/evil.example", "javascript:alert(1)",
    "data:text/html,x",
)  # fmt: skip


@pytest.mark.ignore_template_errors
def test_no_redirect_leads_elsewhere(world: World) -> None:
    User.objects.create_user("reader@demo.example", PASSWORD)
    for target in ELSEWHERE:
        cache.clear()
        with undone():
            for answer in redirects(world, target):
                there = answer.headers["Location"]
                assert (answer.status_code, urlsplit(there)[:2]) == (302, ("", ""))
                assert there.startswith("/")
                assert not there.startswith(("//", "/\\", "/\t"))


def redirects(world: World, target: str) -> list[Any]:
    """The answers of all that leads on to an address it was given."""
    owner, leaving = world.client("owner"), Client()
    leaving.force_login(world.cast.manager)
    login_url, login = reverse("account_login"), {"login": world.cast.reader.email, "password": PASSWORD}
    mitigation = valid(world, "mitigation-update")
    state = {"state": "under-way", "version": ""}
    review = {"next_review_date": "2030-01-01", "version": str(world.risk.version)}
    with override_settings(DEMO=True):
        demonstration = Client().post(world.url("demo-login"), {"role": "reader", "next": target})
    return [
        demonstration,
        Client().post(login_url, {**login, "next": target}),
        Client().post(f"{login_url}?next={quote(target)}", login),
        leaving.get(f"{login_url}?next={quote(target)}"),
        leaving.post(reverse("account_logout"), {"next": target}),
        owner.post(world.url("preferences"), {"theme": "dark", "next": target}),
        owner.post(world.url("mitigation-update"), mitigation | {"next": target}),
        owner.post(world.url("mitigation-state"), state | {"next": target}),
        owner.post(world.url("risk-field", field="review"), review | {"next": target}),
    ]


def test_no_link_of_a_form_leads_elsewhere(world: World) -> None:
    for target in ELSEWHERE:
        for name in ("mitigation-update", "mitigation-create", "risk-field"):
            response = world.client("owner").get(
                f"{world.url(name)}?next={quote(target)}", headers={"Referer": target.strip() or "/"}
            )
            page = check_page(response)
            assert page
            assert target not in page.links


# --- two people at once


def test_second_of_two_edits_of_a_risk_loses_nothing(world: World) -> None:
    data, by = valid(world, "risk-update"), world.cast.actor(world.cast.manager)
    update_risk(world.risk, {"title_en": "First", "cause_en": "Because"}, by=by)
    before = everything()
    response = world.client("owner").post(world.url("risk-update"), data | {"title_en": "Second"})
    page = check_page(response)
    assert response.status_code == 409
    assert everything() == before
    assert page
    assert {"First", "Second"} <= set(page.texts)


def test_second_of_two_changes_in_place_loses_nothing(world: World) -> None:
    cases = {
        "owner": {"owner": str(world.cast.manager.pk)},
        "review": {"next_review_date": "2030-01-01"},
        "state": {"move": "treat"},
    }
    seen = {name: valid(world, "risk-field", field=name) for name in cases}
    update_risk(world.risk, {"title_en": "First"}, by=world.cast.actor(world.cast.manager))
    before = everything()
    for name, changes in cases.items():
        response = world.client("owner").post(world.url("risk-field", field=name), seen[name] | changes)
        assert response.status_code == 409
    assert everything() == before


def test_second_of_two_edits_of_a_mitigation_loses_nothing(
    world: World, htmx_headers: Callable[[str], dict[str, str]]
) -> None:
    data, client = valid(world, "mitigation-update") | {"title_en": "Second"}, world.client("owner")
    update_mitigation(world.mitigation, {"title_en": "First"}, by=world.cast.actor(world.cast.manager))
    before = everything()
    response = client.post(world.url("mitigation-update"), data)
    assert response.status_code == 409
    assert "Second" in response.text
    assert "First" in response.text
    state = {"state": "done", "version": world.mitigation.version}
    headers = htmx_headers("mitigation-section")
    assert client.post(world.url("mitigation-state"), state, headers=headers).status_code == 409
    assert client.post(world.url("mitigation-state"), state).status_code == 302
    assert everything() == before


def test_second_of_two_scorings_loses_nothing(world: World) -> None:
    data, url = valid(world, "risk-assess"), world.url("risk-assess")
    first = world.client("manager").post(url, data | {"cell": "5-5", "reason": "First"})
    assert first.status_code == 302
    before = everything()
    response = world.client("owner").post(url, data | {"cell": "1-1", "reason": "Second"})
    page = check_page(response)
    assert response.status_code == 409
    assert everything() == before
    assert page
    assert "Second" in page.text


# --- those who have left


def test_member_who_was_removed_finds_nothing(world: World) -> None:
    client = world.client("manager")
    assert client.get(world.url("overview")).status_code == 200
    remove(Membership.objects.filter(user=world.cast.manager))
    for name, pattern in URLS.items():
        if "team" in pattern.pattern.converters:
            statuses = {client.get(world.url(name)).status_code, client.post(world.url(name)).status_code}
            assert statuses - {405} == {404}, name


def test_person_who_was_switched_off_is_signed_out(world: World) -> None:
    client = world.client("manager")
    User.objects.filter(pk=world.cast.manager.pk).update(is_active=False)
    for name in ("overview", "risk-list", "risk-detail", "risk-create", "profile"):
        response = client.get(world.url(name))
        assert (response.status_code, response.headers["Location"].partition("?")[0]) == (
            302, reverse("account_login"),
        )  # fmt: skip


@pytest.mark.ignore_template_errors
def test_person_who_was_switched_off_cannot_sign_in(world: World) -> None:
    User.objects.filter(pk=world.cast.manager.pk).update(is_active=False)
    client = Client()
    client.post(reverse("account_login"), {"login": world.cast.manager.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    client = Client()
    client.post(reverse("account_login"), {"login": world.cast.reader.email, "password": PASSWORD})
    client.post(world.url("preferences"), {"theme": "dark", "language": "en"})
    for name in ("sessionid", "riskreg_theme", "riskreg_language"):
        cookie = client.cookies[name]
        assert (bool(cookie["httponly"]), cookie["samesite"]) == (True, "Lax")

"""The doors of a team, its registers and library, and the error pages."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.test.utils import override_settings

from risks.enums import Verb
from risks.exceptions import Conflict, Invalid, NotAllowed
from risks.middleware import DomainErrorMiddleware
from risks.models import AuditEvent, Matrix, Register, Template
from tests.browser import form_of
from tests.cast import Cast
from tests.rows import change

PAGES = ["", "risks/", "matrix/", "mitigations/", "reports/", "library/", "registers/", "risks/new/"]


@pytest.mark.parametrize("address", PAGES)
def test_team_page_signed_out_leads_to_the_sign_in_page(cast: Cast, client: Client, address: str) -> None:
    answer = client.get(f"/t/acme/{address}")
    assert answer.headers["Location"] == f"/accounts/login/?next=/t/acme/{address}"


@pytest.mark.parametrize("address", PAGES)
def test_team_page_of_another_team_is_not_found(cast: Cast, register: Register, address: str) -> None:
    assert cast.client_for(cast.outsider).get(f"/t/acme/{address}").status_code == 404
    assert cast.client_for(cast.manager).get(f"/t/other/{address}").status_code == 404


@pytest.mark.parametrize("address", PAGES[:-1])
def test_team_page_with_a_foreign_register_is_not_found(cast: Cast, register: Register, address: str) -> None:
    assert cast.client_for(cast.manager).get(f"/t/acme/{address}?register=OTHER").status_code == 404


def test_htmx_request_with_an_expired_session_leads_to_the_sign_in_page(cast: Cast, client: Client) -> None:
    answer = client.get("/t/acme/registers/", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=/t/acme/registers/"


# --- registers


def _values(**changes: object) -> dict[str, object]:
    matrix = Matrix.objects.get(key="product-3x3")
    return {"key": "TRANS", "name_en": "Translation", "matrix": matrix.pk, "currency": "EUR"} | changes


def test_register_list_shows_each_register_with_its_figures(
    cast: Cast, register: Register, make_risk
) -> None:  # type: ignore[no-untyped-def]
    make_risk(residual=(5, 5))
    make_risk()
    make_risk(state="draft")
    page = cast.client_for(cast.reader).get("/t/acme/registers/")
    rows = page.context["rows"]
    assert [each.key for each, _figures in rows] == ["VOICE"]
    figures = rows[0][1]
    assert (figures.counted, figures.high, figures.unassessed, figures.drafts) == (2, 1, 1, 1)


def test_register_list_has_the_same_queries_at_any_size(
    cast: Cast, register: Register, make_risk, count_queries
) -> None:  # type: ignore[no-untyped-def]
    client = cast.client_for(cast.reader)
    make_risk()
    few = count_queries(lambda: client.get("/t/acme/registers/"))
    for _number in range(29):
        make_risk()
    assert count_queries(lambda: client.get("/t/acme/registers/")) == few


def test_administrator_makes_a_register(cast: Cast) -> None:
    answer = cast.client_for(cast.administrator).post("/t/acme/registers/new/", _values())
    assert answer.headers["Location"] == "/t/acme/registers/"
    register = Register.objects.get(key="TRANS")
    assert (register.team, register.name_en, register.currency) == (cast.team, "Translation", "EUR")
    assert AuditEvent.objects.filter(verb=Verb.CREATED, register=register).count() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "VOICE"}, "The team has a register with this key"),
        ({"key": "trans"}, "Use 2 to 10 capital letters or digits"),
        ({"name_en": ""}, "Give the register a name in at least one language"),
        ({"budget_amount": "-5"}, "greater than or equal to 1"),
        ({"matrix": "999999999999999999999"}, "Select a valid choice"),
        ({"currency": "euro"}, "at most 3 characters"),
    ],
)
def test_register_with_bad_input_is_refused_and_nothing_lost(
    cast: Cast, register: Register, changes: dict[str, object], message: str
) -> None:
    page = cast.client_for(cast.administrator).post(
        "/t/acme/registers/new/", _values(description_en="Kept", **changes)
    )
    assert page.status_code == 422
    assert message in page.text
    assert "Kept" in page.text
    assert not Register.objects.filter(key="TRANS").exists()


@pytest.mark.parametrize("role", ["reader", "contributor", "manager"])
def test_register_is_made_and_changed_by_administrators_only(
    cast: Cast, register: Register, role: str
) -> None:
    client = cast.client_for(cast.members[role])
    assert client.post("/t/acme/registers/new/", _values()).status_code == 403
    assert client.post("/t/acme/registers/VOICE/edit/", _values()).status_code == 403
    assert not Register.objects.filter(key="TRANS").exists()


def test_register_keeps_its_matrix_once_scored(cast: Cast, register: Register, make_risk) -> None:  # type: ignore[no-untyped-def]
    make_risk(residual=(2, 2))
    client, url = cast.client_for(cast.administrator), "/t/acme/registers/VOICE/edit/"
    page = client.post(url, form_of(client, url, **_values()))
    assert page.status_code == 422
    assert "so it cannot be exchanged" in page.text


def test_register_is_changed(cast: Cast, register: Register) -> None:
    client, url = cast.client_for(cast.administrator), "/t/acme/registers/VOICE/edit/"
    client.post(url, form_of(client, url, **_values(name_zh="翻译")))
    register.refresh_from_db()
    assert (register.key, register.name_zh, register.matrix.key) == ("VOICE", "翻译", "product-3x3")


def test_unknown_register_is_not_found(cast: Cast, register: Register) -> None:
    assert cast.client_for(cast.administrator).get("/t/acme/registers/OTHER/edit/").status_code == 404


# --- library


def test_library_lists_all_templates(cast: Cast, register: Register) -> None:
    page = cast.client_for(cast.reader).get("/t/acme/library/")
    assert len(page.context["templates"]) == 42


@pytest.mark.parametrize(("query", "codes"), [("TEC-01", ["TEC-01"]), ("上线质量", ["TEC-01"]), ("zzz", [])])
def test_library_is_searched_in_both_languages(
    cast: Cast, register: Register, query: str, codes: list[str]
) -> None:
    page = cast.client_for(cast.reader).get("/t/acme/library/", {"q": query})
    assert [template.code for template in page.context["templates"]] == codes


def test_library_is_narrowed_by_category(cast: Cast, register: Register) -> None:
    page = cast.client_for(cast.reader).get("/t/acme/library/?category=market")
    assert {template.category.key for template in page.context["templates"]} == {"market"}
    assert cast.client_for(cast.reader).get("/t/acme/library/?category=none").status_code == 404


def test_template_page_shows_its_parts(cast: Cast, register: Register) -> None:
    template = Template.objects.get(code="TEC-01")
    page = cast.client_for(cast.reader).get(f"/t/acme/library/{template.pk}/")
    for part in [template.cause, *(mitigation.title for mitigation in template.mitigations.all())]:
        assert part in page.text


def test_template_switched_off_or_of_another_team_is_not_found(cast: Cast, register: Register) -> None:
    template = Template.objects.get(code="TEC-01")
    client = cast.client_for(cast.reader)
    change(Template.objects.filter(pk=template.pk), is_active=False)
    assert client.get(f"/t/acme/library/{template.pk}/").status_code == 404
    change(Template.objects.filter(pk=template.pk), is_active=True, team=cast.other_team)
    assert client.get(f"/t/acme/library/{template.pk}/").status_code == 404
    assert client.get("/t/acme/library/99999999999999999/").status_code == 404


# --- errors


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotAllowed("no right"), 403), (Conflict("too late"), 409), (Invalid("not so"), 422)],
)
def test_domain_error_answers_with_its_reason(cast: Cast, error: Exception, status: int) -> None:
    request = RequestFactory().get("/")
    request.user = cast.reader
    middleware = DomainErrorMiddleware(lambda _request: None)  # type: ignore[arg-type, return-value]
    page = middleware.process_exception(request, error)
    assert page is not None
    assert page.status_code == status
    assert str(error) in page.text
    assert middleware.process_exception(request, ValueError()) is None


def test_unknown_address_is_our_page_in_the_readers_language(cast: Cast, client: Client) -> None:
    page = client.get("/nowhere/", headers={"Accept-Language": "zh-CN"})
    assert page.status_code == 404
    assert "这里没有内容" in page.text


def test_error_in_the_server_is_our_page(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("risks.views.register.register_figures", fail)
    client = cast.client_for(cast.reader)
    client.raise_request_exception = False
    page = client.get("/t/acme/registers/")
    assert page.status_code == 500
    assert "Something went wrong on our side" in page.text


def test_form_without_its_token_is_our_page(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.post("/me/preferences/", {"theme": "dark"})
    assert page.status_code == 403
    assert "This form is too old" in page.text


def test_foreign_host_is_our_page(db: None, client: Client) -> None:
    page = client.get("/", headers={"Host": "evil.example"})
    assert page.status_code == 400
    assert "This request could not be read" in page.text


def test_pages_forbid_inline_code_and_frames(cast: Cast, register: Register) -> None:
    headers = cast.client_for(cast.reader).get("/t/acme/registers/").headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"


@override_settings(SECURE_SSL_REDIRECT=True)
def test_plain_http_is_sent_to_https_but_health_is_not(cast: Cast, client: Client) -> None:
    assert client.get("/accounts/login/").headers["Location"] == "https://testserver/accounts/login/"
    assert client.get("/health/").status_code == 200


def test_pages_of_signed_in_people_are_kept_by_no_shared_cache(cast: Cast, register: Register) -> None:
    page = cast.client_for(cast.reader).get("/t/acme/registers/")
    assert page.headers["Cache-Control"] == "private, no-cache"


def test_people_do_not_change_their_address_unproved(cast: Cast) -> None:
    client = cast.client_for(cast.reader)
    answer = client.post("/accounts/email/", {"action_add": "", "email": "other@acme.example"})
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    cast.reader.refresh_from_db()
    assert cast.reader.email == "reader@acme.example"

"""The list of risks as a page: what it shows, and the changes that are made in it."""

import json
import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from risks.enums import Kind
from risks.models import AuditEvent, Category, Risk, SavedView
from risks.models.translated import Text
from risks.queries.changes import WINDOW
from risks.services.assessment import assess_risk
from risks.services.team import create_register
from tests import rows as stored

LIST = "/t/acme/risks/"


def rows(response):
    """Codes of the rows shown, in order."""
    return re.findall(r'<td class="cell-code[^"]*">([^<]+)</td>', response.content.decode())


def cells(response, column):
    """Texts of one column, without their tags."""
    found = re.findall(rf'<td class="cell-{column}[^"]*">(.*?)</td>', response.content.decode(), re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).strip() for text in found]


def heads(response):
    return re.findall(r'<th scope="col" class="cell-([a-z]+)', response.content.decode())


@pytest.fixture
def show(cast):
    """`show("?state=open")` as a reader, unless told otherwise."""

    def get(query="", user=None, **options):
        return cast.client_for(user or cast.reader).get(LIST + query, **options)

    return get


# --- who sees what


def test_signed_out_leads_to_the_sign_in_page(client, register):
    assert client.get(LIST).headers["Location"] == f"/accounts/login/?next={LIST}"


def test_outsider_finds_nothing(cast, register, show):
    assert show(user=cast.outsider).status_code == 404


@pytest.mark.parametrize("name", ["reader", "contributor", "owner", "manager", "administrator"])
def test_every_member_sees_the_risks_of_the_team_only(cast, make_risk, show, name):
    make_risk(title_en="Ours")

    assert rows(show(user=cast.members[name])) == ["VOICE-1"]


def test_register_narrows_the_list_and_an_unknown_one_is_not_found(make_risk, show):
    make_risk()

    assert rows(show("?register=VOICE")) == ["VOICE-1"]
    assert show("?register=OTHER").status_code == 404


def test_empty_list_offers_the_first_step(cast, register, show):
    page = show(user=cast.contributor).content.decode()

    assert "No risks yet" in page
    assert f'<a class="btn btn-primary" href="{reverse("risks:risk-create", args=["acme"])}">' in page


def test_empty_list_tells_a_reader_why_there_is_no_first_step(register, show):
    page = show().content.decode()

    assert "No risks yet" in page
    assert 'disabled title="Readers cannot log risks.' in page


def test_list_that_filters_everything_away_offers_to_clear(make_risk, show):
    make_risk()

    assert "No risk matches" in show("?q=nothingofthekind").content.decode()


# --- rows and cells


def test_worst_come_first_and_equal_ones_newest_first(make_risk, show):
    make_risk(residual=(1, 1))
    make_risk(residual=(5, 5))
    make_risk()
    make_risk(residual=(5, 5))

    assert rows(show()) == ["VOICE-4", "VOICE-2", "VOICE-1", "VOICE-3"]


def test_cells_say_what_is_known(cast, make_risk, show):
    technical = Category.objects.get(key="technical", parent=None)
    yesterday = timezone.localdate() - timedelta(days=1)
    make_risk(
        title_en="Drift", category=technical, owner=cast.owner, residual=(4, 4), strategy="reduce",
        next_review_date=yesterday,
    )  # fmt: skip

    response = show()

    names = ("code", "title", "category", "owner", "level", "strategy", "state")
    assert [cells(response, name) for name in names] == [
        ["VOICE-1"], ["Drift"], [technical.name_en], ["Owner"], ["▲ 8 High"], ["Reduce"], ["Open"],
    ]  # fmt: skip
    assert cells(response, "review")[0].endswith("late")


def test_cells_of_a_risk_without_anything_say_so(make_risk, show):
    make_risk()
    stored.change(Risk.objects.all(), next_review_date=None)

    response = show()

    assert (cells(response, "owner"), cells(response, "level")) == (["Nobody"], ["Not assessed"])
    assert cells(response, "review") == ["None"]


def test_movement_is_against_30_days_ago(cast, make_risk, show):
    before = timezone.now() - WINDOW - timedelta(days=5)
    for cell in ((5, 5), (1, 2), (3, 3)):
        risk = make_risk(residual=(3, 3), at=before)
        assess_risk(risk, Kind.RESIDUAL, *cell, by=cast.actor(cast.manager), reason=Text("x"))
    make_risk(residual=(5, 5))

    response = show("?sort=code")

    assert cells(response, "movement") == ["↑ Up from 6", "↓ Down from 6", "", ""]


def test_optional_columns_are_shown_when_chosen_and_only_then(make_risk, make_mitigation, show):
    risk = make_risk(inherent=(5, 5), target=(1, 1), frequency_low=0.1, frequency_high=0.1, impact_low=0.2,
                     impact_likely=0.2, impact_high=0.2)  # fmt: skip
    make_mitigation(risk, due_date=date(2020, 1, 1))
    make_mitigation(risk)
    names = ("inherent", "target", "loss", "mitigations", "subcategory", "updated")
    query = "?" + "&".join(f"columns={name}" for name in names)

    plain, chosen = show(), show(query)

    assert heads(plain) == [
        "code", "title", "category", "owner", "level", "movement", "strategy", "state", "review",
    ]  # fmt: skip
    assert heads(chosen) == [
        "code", "title", "subcategory", "inherent", "target", "loss", "mitigations", "updated",
    ]  # fmt: skip
    assert cells(chosen, "mitigations") == ["2 1 late"]
    assert cells(chosen, "loss") == ["¥200 k"]
    assert heads(show()) == heads(plain)


def test_register_column_exists_where_there_are_several(cast, register, make_risk, show, matrix):
    second = create_register(
        cast.team, {"key": "TRANS", "name_en": "T", "matrix": matrix}, by=cast.actor(cast.administrator)
    )
    make_risk()
    make_risk(register=second)

    assert cells(show("?columns=register&sort=register"), "register") == ["TRANS", "VOICE"]
    assert heads(show("?columns=register&register=VOICE")) == ["code", "title"]


def test_html_in_titles_and_names_is_text(cast, make_risk, show):
    cast.owner.name = "<i>Owner</i>"
    cast.owner.save()
    make_risk(title_en='<script>alert("x")</script>', owner=cast.owner)

    page = show(user=cast.manager).content.decode()

    assert "<script>alert" not in page
    assert "<i>Owner" not in page


def test_title_in_the_other_language_carries_that_language(cast, make_risk, show):
    make_risk(title_en="", title_zh="漂移")

    assert 'lang="zh-hans">漂移</a>' in show().content.decode()


def test_owner_who_has_left_the_team_is_still_named(cast, make_risk, show):
    make_risk(owner=cast.owner)
    stored.change(cast.owner.memberships.all(), is_active=False)

    assert cells(show(), "owner") == ["Owner (left)"]


# --- order, pages


@pytest.mark.parametrize(
    ("sort", "codes"),
    [
        ("code", ["VOICE-1", "VOICE-2", "VOICE-3"]),
        ("-code", ["VOICE-3", "VOICE-2", "VOICE-1"]),
        ("title", ["VOICE-2", "VOICE-3", "VOICE-1"]),
        ("-title", ["VOICE-1", "VOICE-3", "VOICE-2"]),
        ("level", ["VOICE-1", "VOICE-3", "VOICE-2"]),
        ("-level", ["VOICE-2", "VOICE-3", "VOICE-1"]),
        ("state", ["VOICE-3", "VOICE-1", "VOICE-2"]),
        ("strategy", ["VOICE-2", "VOICE-3", "VOICE-1"]),
        ("review", ["VOICE-1", "VOICE-2", "VOICE-3"]),
        ("-review", ["VOICE-2", "VOICE-1", "VOICE-3"]),
        ("owner", ["VOICE-3", "VOICE-2", "VOICE-1"]),
        ("category", ["VOICE-2", "VOICE-3", "VOICE-1"]),
    ],
)
def test_every_order_is_total(cast, make_risk, show, sort, codes):
    first, second = Category.objects.filter(parent=None)[:2]
    make_risk(title_en="c", strategy="accept", next_review_date=date(2030, 1, 1), owner=cast.owner,
              category=second)  # fmt: skip
    make_risk(title_en="a", state="treating", residual=(5, 5), next_review_date=date(2031, 1, 1),
              owner=cast.manager, category=first, strategy="avoid")  # fmt: skip
    make_risk(title_en="b", state="draft", residual=(1, 1), category=first, strategy="reduce",
              owner=cast.contributor, next_review_date=None)  # fmt: skip

    assert rows(show(f"?sort={sort}")) == codes


def test_pages_hold_every_risk_once(make_risk, show):
    for _number in range(60):
        make_risk(residual=(3, 3))

    pages = [rows(show(f"?per_page=25&page={page}")) for page in (1, 2, 3)]

    assert [len(page) for page in pages] == [25, 25, 10]
    assert len({code for page in pages for code in page}) == 60


@pytest.mark.parametrize("page", ["3", "999999", "9" * 30, "9" * 5000])
def test_page_beyond_the_end_is_the_last(make_risk, show, page):
    for _number in range(26):
        make_risk()

    assert rows(show(f"?per_page=25&page={page}"))[:1] in (["VOICE-1"], ["VOICE-26"])


@pytest.mark.parametrize(
    "query", ["state=nonsense", "sort=nonsense", "sort=movement", "per_page=7", "density=x", "columns=x",
              "owner=-1", "q=%00", "level=x"]
)  # fmt: skip
def test_nonsense_shows_its_error_and_no_rows(make_risk, show, query):
    make_risk()

    response = show("?" + query)

    assert response.status_code == 422
    assert rows(response) == []
    assert response.content.decode().count("<li>", response.content.decode().find("list-problems")) >= 1


@pytest.mark.parametrize(
    ("words", "codes"),
    [("drift", ["VOICE-1"]), ("voice-2", ["VOICE-2"]), ("%20", ["VOICE-2", "VOICE-1"]), ("!!", [])],
)
def test_search_shows_and_counts_what_it_finds(make_risk, show, words, codes):
    make_risk(title_en="Drift")
    make_risk(title_en="Churn")

    response = show(f"?q={words}")

    assert rows(response) == codes
    assert re.search(r'"list-count">\s*(\d+) risk', response.content.decode())[1] == str(len(codes))


def test_unknown_parameters_are_left_alone(make_risk, show):
    make_risk()

    assert rows(show("?utm_source=x")) == ["VOICE-1"]


# --- htmx


def test_htmx_gets_the_list_alone_and_the_address_to_keep(make_risk, show, htmx_headers):
    make_risk()

    response = show("?q=&state=open&page=1", headers=htmx_headers("risk-list"))

    page = response.content.decode()
    assert page.lstrip().startswith('<section id="risk-list"')
    assert "<html" not in page
    assert response.headers["HX-Push-Url"] == f"{LIST}?state=open&page=1"
    assert 'hx-swap-oob="innerHTML">1 risk' in page


def test_typing_replaces_the_address_instead_of_adding_to_the_history(make_risk, show, htmx_headers):
    make_risk()
    headers = htmx_headers("risk-list") | {"HX-Trigger": "list-search"}

    response = show("?q=risk", headers=headers)

    assert response.headers["HX-Replace-Url"] == f"{LIST}?q=risk"
    assert "HX-Push-Url" not in response.headers


def test_htmx_with_another_target_gets_the_page(make_risk, show, htmx_headers):
    assert "<html" in show(headers=htmx_headers("elsewhere")).content.decode()


# --- queries and size


@pytest.mark.parametrize(
    "query", ["", "?q=risk", "?state=active&sort=title", "?columns=mitigations&columns=movement"]
)
def test_list_of_30_rows_makes_the_queries_of_one(
    cast, make_risk, make_mitigation, show, count_queries, query
):
    def log():
        make_mitigation(make_risk(residual=(3, 3), owner=cast.owner, category=Category.objects.first()))

    log()
    show(query)
    one = count_queries(lambda: show(query))
    for _number in range(29):
        log()

    assert count_queries(lambda: show(query)) == one
    assert one <= 12


def test_page_of_50_rows_is_small(cast, make_risk, show):
    for _number in range(50):
        make_risk(residual=(3, 3), owner=cast.owner, title_en="A title of an ordinary length for a risk")

    assert len(show("?per_page=50", user=cast.manager).content) < 90_000


# --- one value in its cell


def field_url(name, code="VOICE-1"):
    return reverse("risks:risk-field", args=["acme", code, name])


@pytest.fixture
def send(cast):
    """Save a value: as a page, or as the cell if `htmx` is set."""

    def post(name, data, *, user=None, htmx=False, code="VOICE-1"):
        headers = {"HX-Request": "true", "HX-Target": f"{code}-{name}"} if htmx else {}
        return cast.client_for(user or cast.manager).post(field_url(name, code), data, headers=headers)

    return post


def test_only_those_who_may_change_a_value_get_its_link(cast, make_risk, show):
    make_risk(owner=cast.owner)

    links = {
        name: show(user=user).content.decode().count('class="edit"') for name, user in cast.members.items()
    }

    assert links == {"reader": 0, "contributor": 0, "owner": 3, "manager": 3, "administrator": 3}


def test_field_form_is_a_page_and_a_cell(cast, make_risk, htmx_headers):
    make_risk(owner=cast.owner)
    client = cast.client_for(cast.manager)

    page = client.get(field_url("owner")).content.decode()
    cell = client.get(field_url("owner"), headers=htmx_headers("VOICE-1-owner")).content.decode()

    assert "<html" in page
    assert "<html" not in cell
    assert f'value="{cast.owner.pk}" selected' in page
    assert f'value="{cast.owner.pk}" selected' in cell


def test_owner_is_changed_in_place(cast, make_risk, send):
    make_risk()

    response = send("owner", {"version": 1, "owner": cast.owner.pk}, htmx=True)

    assert response.status_code == 200
    assert Risk.objects.get(code="VOICE-1").owner == cast.owner
    assert "Owner</a>" in response.content.decode()
    assert "<form" not in response.content.decode()
    assert json.loads(response.headers["HX-Trigger"])["toasts"][0]["text"] == "VOICE-1 is saved."


def test_field_saved_without_htmx_leads_back_to_the_list_as_it_was(cast, make_risk, send):
    make_risk()
    back = f"{LIST}?state=open"

    response = send("owner", {"version": 1, "owner": "", "next": back})

    assert (response.status_code, response.headers["Location"]) == (302, back)


def test_field_never_leads_to_another_site(cast, make_risk, send):
    make_risk()

    response = send("owner", {"version": 1, "owner": "", "next": "https://evil.example/"})

    assert response.headers["Location"] == LIST


def test_next_review_is_changed_and_emptied_in_place(make_risk, send):
    make_risk()

    send("review", {"version": 1, "next_review_date": "2031-05-06"}, htmx=True)
    assert Risk.objects.get(code="VOICE-1").next_review_date == date(2031, 5, 6)
    send("review", {"version": 2, "next_review_date": ""}, htmx=True)
    assert Risk.objects.get(code="VOICE-1").next_review_date is None


def test_state_is_moved_in_place_with_its_reason(make_risk, send):
    make_risk()

    send("state", {"version": 1, "move": "close", "reason": "Sold"}, htmx=True)

    risk = Risk.objects.get(code="VOICE-1")
    assert (risk.state, risk.state_changes.latest("id").reason_en) == ("closed", "Sold")


def test_move_without_its_reason_is_refused_beside_the_field(make_risk, send):
    make_risk()

    response = send("state", {"version": 1, "move": "close", "reason": " "}, htmx=True)

    assert response.status_code == 422
    assert "Give a reason; it stays with the risk." in response.content.decode()
    assert Risk.objects.get(code="VOICE-1").state == "open"


def test_state_form_offers_the_moves_of_the_state_and_a_way_to_accept(cast, make_risk):
    make_risk(state="treating")

    page = cast.client_for(cast.manager).get(field_url("state")).content.decode()

    assert re.findall(r'<option value="([a-z]*)"', page) == ["pause", "close"]
    assert reverse("risks:risk-move", args=["acme", "VOICE-1", "accept"]) in page


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("owner", {"owner": "x"}),
        ("owner", {"owner": "999999999999999999999999"}),
        ("owner", {"owner": "\x00"}),
        ("review", {"next_review_date": "31.12.2030"}),
        ("review", {"next_review_date": "99999-01-01"}),
        ("state", {"move": "accept"}),
        ("state", {"move": "nonsense"}),
        ("state", {"move": "close", "reason": "\x00"}),
        ("state", {"move": "close", "reason": "x" * 2001}),
    ],
)
@pytest.mark.parametrize("htmx", [False, True])
def test_bad_value_is_refused_and_changes_nothing(make_risk, send, name, data, htmx):
    make_risk()

    response = send(name, {"version": 1, **data}, htmx=htmx)

    assert response.status_code == 422
    assert Risk.objects.get(code="VOICE-1").version == 1


@pytest.mark.parametrize("version", ["", "x", "0", "9" * 40])
def test_version_that_makes_no_sense_is_refused(make_risk, send, version):
    make_risk()

    assert send("owner", {"version": version, "owner": ""}).status_code == 422


@pytest.mark.parametrize("htmx", [False, True])
def test_second_to_save_sees_both_values_and_may_choose(cast, make_risk, send, htmx):
    make_risk()
    send("owner", {"version": 1, "owner": cast.owner.pk})

    response = send("owner", {"version": 1, "owner": cast.contributor.pk}, htmx=htmx)

    page = response.content.decode()
    assert response.status_code == 409
    assert Risk.objects.get(code="VOICE-1").owner == cast.owner
    assert "<b>Owner</b>" in page
    assert f'value="{cast.contributor.pk}" selected' in page
    assert 'name="version" value="2"' in page

    send("owner", {"version": 2, "owner": cast.contributor.pk}, htmx=htmx)
    assert Risk.objects.get(code="VOICE-1").owner == cast.contributor


def test_state_that_has_moved_meanwhile_is_a_conflict(cast, make_risk, send):
    make_risk()
    send("state", {"version": 1, "move": "close", "reason": "Sold"})

    response = send("state", {"version": 1, "move": "treat"}, htmx=True)

    assert response.status_code == 409
    assert Risk.objects.get(code="VOICE-1").state == "closed"


@pytest.mark.parametrize("name", ["owner", "review", "state"])
@pytest.mark.parametrize(("person", "status"), [("reader", 403), ("contributor", 403), ("outsider", 404)])
def test_field_of_a_risk_one_may_not_change_is_refused(cast, make_risk, name, person, status):
    make_risk()
    client = cast.client_for(getattr(cast, person))

    assert client.get(field_url(name)).status_code == status
    assert client.post(field_url(name), {"version": 1}).status_code == status


@pytest.mark.parametrize("address", [field_url("title"), field_url("owner", "VOICE-9")])
def test_unknown_field_or_risk_does_not_exist(cast, make_risk, address):
    make_risk()

    assert cast.client_for(cast.manager).get(address).status_code == 404


# --- many at once

BULK = LIST + "bulk/"


@pytest.fixture
def change(cast):
    """Change the risks given; `query` is that of the list, `htmx` asks for the dialog."""

    def post(risks, query="", user=None, htmx=False, **data):
        headers = {"HX-Request": "true", "HX-Target": "risk-bulk"} if htmx else {}
        client, ticked = cast.client_for(user or cast.manager), {"risk": [risk.pk for risk in risks]}
        asked = client.post(BULK + query, ticked)
        if data.get("step") != "":
            data["seen"] = asked.context["seen"] if asked.status_code == 200 else ""
        return client.post(BULK + query, {"step": "save", **ticked, **data}, headers=headers)

    return post


def test_only_managers_tick_risks(cast, make_risk, show):
    make_risk()

    seen = {name: 'name="risk"' in show(user=user).content.decode() for name, user in cast.members.items()}

    assert seen == {
        "reader": False, "contributor": False, "owner": False, "manager": True, "administrator": True,
    }  # fmt: skip


def test_first_step_asks_what_to_change(cast, make_risk, change):
    risks = [make_risk(), make_risk()]

    page = change(risks, step="").content.decode()

    assert "Change 2 risks" in page
    assert "VOICE-1, VOICE-2" in page
    assert 'role="alert"' not in page


def test_first_step_with_htmx_is_a_dialog(make_risk, change):
    page = change([make_risk()], step="", htmx=True).content.decode()

    assert page.lstrip().startswith("<dialog")


def test_owner_category_and_review_are_changed_together(cast, make_risk, change):
    technical = Category.objects.get(key="technical", parent=None)
    data = Category.objects.get(key="data", parent=technical)
    risks, other = [make_risk(), make_risk()], make_risk()

    response = change(
        risks, "?state=open", owner=cast.owner.pk, category=data.pk, next_review_date="2031-01-02"
    )

    assert (response.status_code, response.headers["Location"]) == (302, f"{LIST}?state=open")
    for risk in risks:
        risk.refresh_from_db()
        assert (risk.owner, risk.category, risk.subcategory) == (cast.owner, technical, data)
        assert risk.next_review_date == date(2031, 1, 2)
    other.refresh_from_db()
    assert (other.owner, other.version) == (None, 1)


def test_bulk_can_empty_owner_and_category(cast, make_risk, change):
    risk = make_risk(owner=cast.owner, category=Category.objects.filter(parent=None).first())

    change([risk], owner="none", category="none")

    risk.refresh_from_db()
    assert (risk.owner, risk.category) == (None, None)


def test_bulk_moves_with_one_reason(make_risk, change):
    risks = [make_risk(), make_risk(state="treating")]

    change(risks, move="close", reason="Product ended")

    assert list(Risk.objects.filter(state="closed")) == risks
    assert AuditEvent.objects.filter(verb="moved", reason="Product ended").count() == 2


def test_bulk_with_htmx_tells_the_list_to_reload(cast, make_risk, change):
    response = change([make_risk()], owner=cast.owner.pk, htmx=True)

    events = json.loads(response.headers["HX-Trigger"])
    assert response.content == b""
    assert "list-changed" in events
    assert events["toasts"][0]["text"] == "1 risk is changed."


def test_bulk_over_all_filtered_changes_those_alone(cast, make_risk, change):
    shown, hidden = [make_risk(residual=(5, 5)) for _number in range(3)], make_risk()

    change(shown[:1], "?level=4", all="1", owner=cast.owner.pk)

    assert list(Risk.objects.filter(owner=cast.owner)) == shown
    hidden.refresh_from_db()
    assert hidden.owner is None


def test_bulk_over_more_than_a_thousand_is_refused(cast, make_risk, change, monkeypatch):
    monkeypatch.setattr("risks.forms.risk_list.MAX_SELECTED", 1)
    make_risk()

    response = change([make_risk()], all="1", owner=cast.owner.pk, htmx=True)

    assert response.status_code == 422
    assert not Risk.objects.filter(owner=cast.owner).exists()


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "Choose what to change."),
        ({"move": "close"}, "Give a reason; it stays with the risk."),
        (
            {"move": "reopen", "reason": "x"},
            "Nothing was changed: VOICE-1 is in a state that does not allow it.",
        ),
        ({"owner": "x"}, "Select a valid choice."),
        ({"next_review_date": "tomorrow"}, "Enter a valid date."),
    ],
)
def test_bulk_error_keeps_what_was_ticked_and_typed(make_risk, change, data, message, htmx):
    risk = make_risk()

    response = change([risk], htmx=htmx, **data)

    page = response.content.decode()
    assert response.status_code == 422
    assert message in page
    assert f'name="risk" value="{risk.pk}"' in page
    risk.refresh_from_db()
    assert risk.version == 1


def test_bulk_on_risks_of_another_team_changes_nothing(cast, register, change):
    change([cast.other_risk], owner=cast.owner.pk)

    cast.other_risk.refresh_from_db()
    assert cast.other_risk.owner is None


@pytest.mark.parametrize("value", ["x", "-1", "9" * 30, "\x00", "٣"])
def test_bulk_ignores_what_is_no_id(cast, register, value):
    response = cast.client_for(cast.manager).post(BULK, {"risk": value, "step": "save", "owner": "none"})

    assert (response.status_code, response.headers["Location"]) == (302, LIST)


def test_bulk_without_ticks_says_so(cast, register):
    client = cast.client_for(cast.manager)

    response = client.post(BULK, {"step": "save"}, follow=True)

    assert "Tick the risks to change first." in response.content.decode()


@pytest.mark.parametrize(("person", "status"), [("reader", 403), ("owner", 403), ("outsider", 404)])
def test_bulk_is_for_managers(cast, make_risk, change, person, status):
    risk = make_risk(owner=cast.owner)

    assert change([risk], user=getattr(cast, person), owner="none").status_code == status
    risk.refresh_from_db()
    assert risk.owner == cast.owner


def test_bulk_opened_as_a_page_leads_to_the_list(cast, register):
    assert cast.client_for(cast.manager).get(BULK).headers["Location"] == LIST


# --- saved views

SAVE = LIST + "views/"


def test_view_keeps_the_query_of_the_list_without_its_page(cast, register):
    client = cast.client_for(cast.reader)

    response = client.post(f"{SAVE}?state=open&q=&page=3&sort=title", {"name": " Mine "})

    view = SavedView.objects.get()
    assert (view.name, view.query, view.user, view.team) == (
        "Mine", "state=open&sort=title", cast.reader, cast.team,
    )  # fmt: skip
    assert response.headers["Location"] == f"{LIST}?state=open&sort=title"
    assert f'href="{LIST}?state=open&amp;sort=title" aria-current="true">Mine</a>' in (
        client.get(f"{LIST}?state=open&sort=title").content.decode()
    )


def test_view_of_the_same_name_is_replaced(cast, register):
    client = cast.client_for(cast.reader)
    client.post(f"{SAVE}?state=open", {"name": "Mine"})
    client.post(f"{SAVE}?state=closed", {"name": "Mine"})

    assert SavedView.objects.get().query == "state=closed"


@pytest.mark.parametrize(
    ("query", "name"), [("", ""), ("", " "), ("", "x" * 61), ("", "\x00"), ("?q=" + "x" * 2001, "Long")]
)
def test_view_that_cannot_be_saved_says_why_and_keeps_the_list(cast, make_risk, query, name):
    make_risk()

    response = cast.client_for(cast.reader).post(SAVE + query, {"name": name})

    assert response.status_code == 422
    assert 'id="view-name-error"' in response.content.decode()
    assert not SavedView.objects.exists()


def test_own_view_is_deleted(cast, register):
    view = SavedView.objects.create(team=cast.team, user=cast.reader, name="Mine", query="")

    response = cast.client_for(cast.reader).post(reverse("risks:risk-view-delete", args=["acme", view.pk]))

    assert response.headers["Location"] == LIST
    assert not SavedView.objects.exists()


def test_view_of_somebody_else_is_neither_shown_nor_deleted(cast, register, show):
    view = SavedView.objects.create(team=cast.team, user=cast.manager, name="Manager's own", query="")

    assert "Manager&#x27;s own" not in show().content.decode()
    response = cast.client_for(cast.reader).post(reverse("risks:risk-view-delete", args=["acme", view.pk]))
    assert response.status_code == 404
    assert SavedView.objects.exists()


def test_views_are_changed_by_post_only(cast, register):
    assert cast.client_for(cast.reader).get(SAVE).status_code == 405

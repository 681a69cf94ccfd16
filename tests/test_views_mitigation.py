"""Mitigations: the table, the board, and adding, changing and removing one."""

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from risks.enums import MitigationKind, MitigationState
from risks.models import Mitigation
from tests.browser import form_of
from tests.rows import change

LIST = "/t/acme/mitigations/"
SECTION = "mitigation-section"


@pytest.fixture
def risk(cast, make_risk):
    return make_risk(title_en="Voices are cloned", residual=(4, 4), owner=cast.owner)


@pytest.fixture
def today():
    return timezone.localdate()


def titles(response):
    return [record.title for record in response.context["table"].records]


def new_url(risk):
    return reverse("risks:mitigation-create", args=["acme", risk.code])


def url(mitigation, what="update"):
    return reverse(f"risks:mitigation-{what}", args=["acme", mitigation.pk])


def typed(**values):
    return {
        "kind": "prevention", "title_en": "Test with more speakers", "state": "planned", "progress": "0",
    } | values  # fmt: skip


# --- the table


def test_list_late_mitigations_come_first_then_due_then_finished(cast, risk, make_mitigation, today):
    make_mitigation(risk, title_en="no day")
    make_mitigation(risk, title_en="done", state="done", due_date=today - timedelta(days=90))
    make_mitigation(risk, title_en="next week", due_date=today + timedelta(days=7))
    make_mitigation(risk, title_en="late", due_date=today - timedelta(days=3))
    response = cast.client_for(cast.reader).get(LIST)
    assert titles(response) == ["late", "next week", "no day", "done"]
    assert "3 days late" in response.content.decode()


def test_list_contingency_shows_its_trigger_and_kind(cast, risk, make_mitigation):
    make_mitigation(risk, kind="contingency", title_en="Switch it off", trigger_en="Two disputes a day")
    page = cast.client_for(cast.reader).get(LIST).content.decode()
    assert "Trigger: Two disputes a day" in page
    assert '<tr class="kind-contingency">' in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("late=1", ["late"]),
        ("kind=transfer", ["insured"]),
        ("state=pending", ["late", "insured"]),
        ("state=done", ["done"]),
        ("state=pending&state=done", ["late", "insured", "done"]),
        ("owner=me", ["insured"]),
        ("owner=none", ["late", "done"]),
        ("owner=none&owner=me", ["late", "insured", "done"]),
        ("q=SUR", ["insured"]),
        ("q=nothing+like+it", []),
        ("sort=title", ["done", "insured", "late"]),
        ("sort=-title", ["late", "insured", "done"]),
        ("sort=-cost", ["insured", "done", "late"]),
        ("sort=cost", ["insured", "late", "done"]),
        ("sort=state", ["late", "insured", "done"]),
        ("register=VOICE&late=1", ["late"]),
    ],
)
def test_list_filter_or_sort_shows_what_it_says(cast, risk, make_mitigation, today, query, expected):
    make_mitigation(risk, title_en="late", due_date=today - timedelta(days=1))
    make_mitigation(
        risk, title_en="insured", kind="transfer", owner=cast.manager, cost_amount=10, state="under_way"
    )
    make_mitigation(risk, title_en="done", state="done")
    response = cast.client_for(cast.manager).get(f"{LIST}?{query}")
    assert response.status_code == 200
    assert titles(response) == expected


def test_list_takes_the_own_id_as_me(cast, risk, make_mitigation):
    make_mitigation(risk, title_en="mine", owner=cast.manager)
    make_mitigation(risk, title_en="of nobody")
    response = cast.client_for(cast.manager).get(f"{LIST}?owner={cast.manager.pk}")
    assert response.status_code == 200
    assert titles(response) == ["mine"]
    assert [chip.value for chip, _url in response.context["chips"]] == ["Me"]


@pytest.mark.parametrize(
    "query",
    ["kind=zzz", "state=nonsense", "owner=99999999999999999999", "late=2", "sort=nope", "view=moon", "q=%00",
     "per_page=7", "owner=" + "9" * 400],
)  # fmt: skip
def test_list_senseless_parameter_shows_its_error_and_no_rows(cast, risk, make_mitigation, query):
    make_mitigation(risk)
    response = cast.client_for(cast.reader).get(f"{LIST}?{query}")
    assert response.status_code == 422
    assert "does not exist" in response.content.decode()
    assert "Test with more speakers" not in response.content.decode()


def test_list_shows_only_ones_own_team(cast, risk, make_mitigation):
    make_mitigation(risk)
    assert cast.client_for(cast.outsider).get(LIST).status_code == 404
    assert cast.client_for(cast.outsider).get("/t/other/mitigations/").context["table"].total == 0


def test_list_signed_out_leads_to_sign_in(client, cast):
    assert client.get(LIST)["Location"] == f"/accounts/login/?next={LIST}"


def test_list_for_htmx_is_the_part_alone(cast, risk, htmx_headers):
    page = cast.client_for(cast.reader).get(LIST, headers=htmx_headers("mitigation-page")).content.decode()
    assert page.startswith('<div id="mitigation-page"')
    assert "<html" not in page


@pytest.mark.parametrize("query", ["", "?view=board", "?late=1&sort=owner"])
def test_list_queries_do_not_grow_with_rows(cast, make_risk, make_mitigation, count_queries, today, query):
    client = cast.client_for(cast.reader)

    def add(count):
        for _ in range(count):
            risk = make_risk(owner=cast.owner)
            make_mitigation(risk, owner=cast.owner, due_date=today - timedelta(days=1))

    add(1)
    client.get(LIST)
    first = count_queries(lambda: client.get(LIST + query))
    add(29)
    assert count_queries(lambda: client.get(LIST + query)) == first
    assert first <= 12


def test_list_load_counts_pending_and_late_by_owner(cast, risk, make_mitigation, today):
    make_mitigation(risk, owner=cast.owner, due_date=today - timedelta(days=1))
    make_mitigation(risk, owner=cast.owner)
    make_mitigation(risk)
    make_mitigation(risk, owner=cast.owner, state="done")
    loads = cast.client_for(cast.reader).get(LIST).context["loads"]
    assert [(load.owner, load.pending, load.late) for load, _url in loads] == [
        (cast.owner, 2, 1),
        (None, 1, 0),
    ]
    assert loads[0][1] == f"{LIST}?owner={cast.owner.pk}&state=pending"


# --- the board


def test_board_columns_hold_their_states_and_done_of_the_last_month_only(cast, risk, make_mitigation, today):
    make_mitigation(risk, title_en="later", due_date=today + timedelta(days=9))
    make_mitigation(risk, title_en="sooner", due_date=today + timedelta(days=1))
    make_mitigation(risk, title_en="going", state="under_way")
    make_mitigation(risk, title_en="fresh", state="done")
    old = make_mitigation(risk, title_en="old", state="done")
    change(Mitigation.objects.filter(pk=old.pk), done_date=today - timedelta(days=31))
    make_mitigation(risk, title_en="given up", state="dropped")
    columns = cast.client_for(cast.reader).get(LIST + "?view=board").context["columns"]
    assert [(str(c.state), c.count, [card.title for card in c.cards]) for c, _cards in columns] == [
        ("planned", 2, ["sooner", "later"]),
        ("under_way", 1, ["going"]),
        ("done", 1, ["fresh"]),
        ("dropped", 1, ["given up"]),
    ]


def test_board_says_beside_its_count_that_it_leaves_out_what_was_done_before(
    cast, risk, make_mitigation, today
):
    make_mitigation(risk)
    old = make_mitigation(risk, state="done")
    change(Mitigation.objects.filter(pk=old.pk), done_date=today - timedelta(days=31))
    client, told = cast.client_for(cast.reader), []
    for view in ("table", "board"):
        page = client.get(f"{LIST}?view={view}").content.decode()
        [count] = re.findall(r'<p class="list-count" role="status">(.*?)</p>', page)
        told.append(re.sub(r"<[^>]*>", "", count))
    assert told == ["2 mitigations", "1 mitigation · done: the last 30 days only"]


def test_board_column_names_first_cards_and_counts_the_others(cast, risk, make_mitigation):
    for _ in range(17):
        make_mitigation(risk)
    response = cast.client_for(cast.reader).get(LIST + "?view=board")
    planned, _cards = response.context["columns"][0]
    assert (planned.count, len(planned.cards), planned.more) == (17, 12, 5)
    assert f'href="{LIST}?state=planned">+5 more</a>' in response.content.decode()


def test_board_reader_cannot_drag_and_sees_why(cast, risk, make_mitigation):
    make_mitigation(risk)
    page = cast.client_for(cast.reader).get(LIST + "?view=board").content.decode()
    assert 'draggable="true"' not in page
    assert 'disabled title="Readers cannot change mitigations."' in page


def test_board_without_mitigations_says_what_this_is_for(cast, risk):
    assert "one concrete response to a risk" in cast.client_for(cast.reader).get(LIST).content.decode()


# --- adding


def test_create_by_the_owner_of_the_risk_saves_and_leads_back(cast, risk):
    response = cast.client_for(cast.owner).post(
        new_url(risk), typed(due_date="2027-01-05", owner=cast.owner.pk)
    )
    assert response["Location"] == f"/t/acme/risks/{risk.code}/#{SECTION}"
    mitigation = risk.mitigations.get()
    assert (mitigation.title_en, mitigation.due_date, mitigation.owner) == (
        "Test with more speakers", date(2027, 1, 5), cast.owner,
    )  # fmt: skip


def test_create_by_htmx_answers_with_the_section_and_a_toast(cast, risk, htmx_headers):
    response = cast.client_for(cast.manager).post(new_url(risk), typed(), headers=htmx_headers(SECTION))
    page = response.content.decode()
    assert response.status_code == 200
    assert f'<section id="{SECTION}"' in page
    assert "Test with more speakers" in page
    assert "The mitigation is added." in response["HX-Trigger"]


def test_create_form_by_htmx_opens_in_the_section(cast, risk, htmx_headers):
    response = cast.client_for(cast.manager).get(new_url(risk), headers=htmx_headers(SECTION))
    assert response.content.decode().count(f'hx-post="{new_url(risk)}"') == 1
    assert "<html" not in response.content.decode()


@pytest.mark.parametrize(("who", "status"), [("reader", 403), ("contributor", 403), ("outsider", 404)])
@pytest.mark.parametrize("method", ["get", "post"])
def test_create_is_refused_with_the_reason(cast, risk, who, status, method):
    response = getattr(cast.client_for(getattr(cast, who)), method)(new_url(risk), typed())
    assert response.status_code == status
    assert not risk.mitigations.exists()


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"title_en": ""}, "title_en", "Say what is done."),
        ({"kind": "contingency"}, "trigger_en", "A contingency needs its trigger"),
        ({"start_date": "2027-02-01", "due_date": "2027-01-01"}, "due_date", "lies before the start"),
        ({"due_date": "2027-13-45"}, "due_date", "Enter a valid date."),
        ({"progress": "101"}, "progress", "less than or equal to 100"),
        ({"progress": "9" * 60}, "progress", "less than or equal to 100"),
        ({"cost_amount": "-1"}, "cost_amount", "greater than or equal to 0"),
        ({"cost_amount": "9" * 40}, "cost_amount", "no more than 16 digits"),
        ({"owner": "99999999999999999999999"}, "owner", "not one of the available choices"),
        ({"kind": "magic"}, "kind", "not one of the available choices"),
        ({"title_en": "x" * 301}, "title_en", "at most 300 characters"),
        ({"title_en": "a\x00b"}, "title_en", "Null characters"),
    ],
)
def test_create_bad_input_is_told_beside_its_field_and_nothing_is_lost(cast, risk, values, field, message):
    response = cast.client_for(cast.manager).post(new_url(risk), typed(trigger_zh="") | values)
    form = response.context["form"]
    assert response.status_code == 422
    assert list(form.errors) == [field]
    assert message in form.errors[field][0]
    assert form["state"].value() == "planned"
    assert not risk.mitigations.exists()


def test_create_bad_input_by_htmx_keeps_the_form_open(cast, risk, htmx_headers):
    values = typed(kind="contingency", title_en="Switch it off")
    response = cast.client_for(cast.manager).post(new_url(risk), values, headers=htmx_headers(SECTION))
    page = response.content.decode()
    assert response.status_code == 422
    assert page.lstrip().startswith("<section")
    assert 'value="Switch it off"' in page


def test_create_of_a_closed_risk_is_refused(cast, make_risk):
    closed = make_risk(state="closed")
    assert cast.client_for(cast.manager).post(new_url(closed), typed()).status_code == 403


def test_create_owner_of_another_team_is_no_choice(cast, risk):
    response = cast.client_for(cast.manager).post(new_url(risk), typed(owner=cast.outsider.pk))
    assert list(response.context["form"].errors) == ["owner"]


def test_create_in_chinese_asks_for_the_chinese_title(cast, risk):
    with translation.override("zh-hans"):
        client = cast.client_for(cast.manager)
        response = client.post(new_url(risk), typed(title_en=""), headers={"Accept-Language": "zh-hans"})
    assert list(response.context["form"].errors) == ["title_zh"]


# --- changing


def test_update_saves_what_was_typed(cast, risk, make_mitigation):
    mitigation = make_mitigation(risk)
    client = cast.client_for(cast.owner)
    values = {"state": "under_way", "progress": "40", "cost_amount": "1200.50"}
    response = client.post(url(mitigation), form_of(client, url(mitigation), **values))
    assert response.status_code == 302
    mitigation.refresh_from_db()
    assert (mitigation.state, mitigation.progress, str(mitigation.cost_amount)) == (
        "under_way",
        40,
        "1200.50",
    )


def test_update_form_for_a_reader_is_there_to_read(cast, risk, make_mitigation):
    mitigation = make_mitigation(risk)
    client = cast.client_for(cast.reader)
    page = client.get(url(mitigation)).content.decode()
    assert "<fieldset disabled>" in page
    assert "Readers cannot change mitigations." in page
    assert client.post(url(mitigation), typed()).status_code == 403


@pytest.mark.parametrize("what", ["update", "state", "delete"])
def test_foreign_or_unknown_mitigation_is_not_found(cast, risk, make_mitigation, what):
    mitigation = make_mitigation(risk)
    assert cast.client_for(cast.outsider).post(url(mitigation, what)).status_code == 404
    mitigation.pk = 10**25
    assert cast.client_for(cast.manager).post(url(mitigation, what)).status_code == 404


# --- the state


def test_state_done_completes_it_and_answers_with_the_section(
    cast, risk, make_mitigation, htmx_headers, today
):
    mitigation = make_mitigation(risk)
    values = {"state": "done", "version": mitigation.version}
    response = cast.client_for(cast.owner).post(
        url(mitigation, "state"), values, headers=htmx_headers(SECTION)
    )
    mitigation.refresh_from_db()
    assert (mitigation.state, mitigation.progress, mitigation.done_date) == (MitigationState.DONE, 100, today)
    assert "Take up again" in response.content.decode()


def test_state_plain_post_leads_back_to_where_one_was(cast, risk, make_mitigation):
    mitigation = make_mitigation(risk)
    client = cast.client_for(cast.owner)
    board = LIST + "?view=board"
    done = {"state": "done", "version": 1, "next": board}
    assert client.post(url(mitigation, "state"), done)["Location"] == board
    planned = {"state": "planned", "version": 2, "next": "https://evil.example/"}
    elsewhere = client.post(url(mitigation, "state"), planned)
    assert elsewhere["Location"] == f"/t/acme/risks/{risk.code}/#{SECTION}"


@pytest.mark.parametrize(
    ("values", "status", "toast"),
    [
        ({"state": "done", "version": 99}, 409, "Somebody else has changed this mitigation"),
        ({"state": "flying", "version": 1}, 422, "Choose one of the states."),
        ({"state": "done"}, 422, "It is not known which version"),
        ({}, 422, "It is not known which version"),
        ({"state": "done", "version": "9" * 50}, 409, "Somebody else"),
    ],
)
def test_state_refused_changes_nothing(cast, risk, make_mitigation, htmx_headers, values, status, toast):
    mitigation = make_mitigation(risk)
    response = cast.client_for(cast.manager).post(
        url(mitigation, "state"), values, headers=htmx_headers(SECTION)
    )
    assert response.status_code == status
    assert toast in response["HX-Trigger"]
    mitigation.refresh_from_db()
    assert mitigation.state == "planned"


@pytest.mark.parametrize(("who", "status"), [("reader", 403), ("contributor", 403), ("manager", 302)])
def test_state_by_role(cast, risk, make_mitigation, who, status):
    mitigation = make_mitigation(risk)
    client = cast.client_for(getattr(cast, who))
    assert client.post(url(mitigation, "state"), {"state": "done", "version": 1}).status_code == status


def test_state_is_not_changed_by_a_link(cast, risk, make_mitigation):
    assert cast.client_for(cast.manager).get(url(make_mitigation(risk), "state")).status_code == 405


# --- removing


def test_delete_asks_first_naming_it_and_then_removes(cast, risk, make_mitigation):
    mitigation = make_mitigation(risk)
    client = cast.client_for(cast.manager)
    assert "Test with more speakers" in client.get(url(mitigation, "delete")).content.decode()
    assert risk.mitigations.count() == 1
    client.post(url(mitigation, "delete"))
    assert risk.mitigations.count() == 0


def test_delete_by_a_reader_is_refused(cast, risk, make_mitigation):
    mitigation = make_mitigation(risk)
    assert cast.client_for(cast.reader).post(url(mitigation, "delete")).status_code == 403
    assert risk.mitigations.count() == 1


def test_section_groups_by_kind_in_their_order(cast, risk, make_mitigation, htmx_headers):
    make_mitigation(risk, kind="transfer", title_en="Insure")
    make_mitigation(risk, title_en="Prevent")
    mitigation = make_mitigation(risk, kind="contingency", title_en="Catch", trigger_en="It happens")
    response = cast.client_for(cast.manager).post(
        url(mitigation, "state"), {"state": "under_way"}, headers=htmx_headers(SECTION)
    )
    page = response.content.decode()
    kinds = [kind for kind in MitigationKind if f'class="mgroup kind-{kind}"' in page]
    places = [page.index(title) for title in ("Prevent<", "Catch<", "Insure<")]
    assert kinds == ["prevention", "contingency", "transfer"]
    assert places == sorted(places)

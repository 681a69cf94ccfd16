"""The matrix page: counts, codes, filters and arrows. Its past is in test_as_of."""

import re

import pytest

from risks.models import Category, Matrix
from risks.services.team import create_register

URL = "/t/acme/matrix/"


def cells(response, board=0):
    """Place → (count, codes) of the cells that have any."""
    found = {}
    for cell in response.context["boards"][board][0].cells.values():
        if cell.count:
            place = (cell.cell.probability, cell.cell.impact)
            found[place] = (cell.count, [chip.code for chip in cell.chips])
    return found


@pytest.fixture
def small(cast):
    values = {"key": "SMALL", "name_en": "Small", "matrix": Matrix.objects.get(key="product-3x3")}
    return create_register(cast.team, values, by=cast.actor(cast.administrator))


def test_matrix_counts_and_names_active_risks(cast, make_risk):
    make_risk(residual=(4, 3))
    make_risk(residual=(4, 3))
    make_risk(residual=(1, 1), inherent=(5, 5), target=(2, 2))
    make_risk(residual=(4, 3), state="closed")
    make_risk()
    client = cast.client_for(cast.reader)
    response = client.get(URL)
    assert cells(response) == {(4, 3): (2, ["VOICE-1", "VOICE-2"]), (1, 1): (1, ["VOICE-3"])}
    assert (response.context["active"], response.context["unassessed"]) == (4, 1)
    assert cells(client.get(URL + "?kind=inherent")) == {(5, 5): (1, ["VOICE-3"])}
    assert cells(client.get(URL + "?kind=target")) == {(2, 2): (1, ["VOICE-3"])}


def test_matrix_links_lead_to_lists_of_as_many(cast, make_risk):
    for state in ("open", "treating", "closed"):
        make_risk(residual=(4, 3), state=state)
    make_risk()
    client = cast.client_for(cast.reader)
    page = client.get(URL + "?register=VOICE").content.decode()
    links = [
        link.replace("&amp;", "&") for link in re.findall(r'href="(/t/acme/risks/\?[^"]*kind=[^"]*)"', page)
    ]
    assert [client.get(link).context["table"].total for link in links] == [2, 1]
    assert links[0] == "/t/acme/risks/?register=VOICE&kind=residual&state=active&probability=4&impact=3"


def test_matrix_cell_with_many_names_six_and_leads_to_all(cast, make_risk):
    for _ in range(8):
        make_risk(residual=(4, 3))
    page = cast.client_for(cast.reader).get(URL).content.decode()
    assert page.count('class="chip"') == 6
    assert ">+2 more</a>" in page


def test_matrix_narrowed_by_category_and_owner(cast, make_risk):
    technical = Category.objects.get(key="technical", parent=None)
    make_risk(residual=(4, 3), category=technical, owner=cast.owner)
    make_risk(residual=(4, 3), category=technical)
    make_risk(residual=(4, 3), owner=cast.reader)
    client = cast.client_for(cast.reader)
    assert cells(client.get(URL + "?category=technical"))[4, 3] == (2, ["VOICE-1", "VOICE-2"])
    assert cells(client.get(f"{URL}?owner={cast.owner.pk}"))[4, 3] == (1, ["VOICE-1"])
    assert cells(client.get(URL + "?owner=me"))[4, 3] == (1, ["VOICE-3"])
    assert cells(client.get(URL + "?owner=me&category=technical")) == {}
    page = client.get(URL + "?owner=me").content.decode()
    assert "owner=me&amp;kind=residual&amp;state=active&amp;probability=4" in page


def test_matrix_takes_the_own_id_as_me(cast, make_risk):
    make_risk(residual=(4, 3), owner=cast.owner)
    make_risk(residual=(1, 1))
    response = cast.client_for(cast.owner).get(f"{URL}?owner={cast.owner.pk}")
    assert response.status_code == 200
    assert cells(response) == {(4, 3): (1, ["VOICE-1"])}
    assert '<option value="me" selected>Me</option>' in response.content.decode()


def test_matrix_chips_can_be_dragged_by_those_who_may_score(cast, make_risk):
    make_risk(residual=(4, 3), owner=cast.owner)
    make_risk(residual=(4, 3))
    counts = {name: cast.client_for(user).get(URL).content.decode().count('draggable="true"')
              for name, user in cast.members.items()}  # fmt: skip
    assert counts == {"reader": 0, "contributor": 0, "owner": 1, "manager": 2, "administrator": 2}
    page = cast.client_for(cast.reader).get(URL).content.decode()
    assert "Readers cannot change risks." in page
    assert "readers cannot change risks" in page


def test_matrix_titles_are_text(cast, make_risk):
    make_risk(title_en='<script>alert("1")</script>', residual=(4, 3))
    page = cast.client_for(cast.manager).get(URL + "?arrows=1").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&quot;1&quot;)" in page


# --- arrows


def test_matrix_arrows_join_inherent_and_residual_in_drawing_and_words(cast, make_risk):
    make_risk(title_en="Moved", inherent=(5, 5), residual=(2, 2))
    make_risk(title_en="Also moved", inherent=(5, 5), residual=(2, 2))
    make_risk(title_en="Still", inherent=(3, 3), residual=(3, 3))
    make_risk(title_en="Unknown before", residual=(3, 3))
    response = cast.client_for(cast.reader).get(URL + "?arrows=1")
    arrows = response.context["boards"][0][1]
    assert {way.title for way in arrows.ways} == {"Moved", "Also moved"}
    assert [line.width for line in arrows.lines] == [3]
    assert "Almost certain × Severe: Critical 10 → Unlikely × Moderate: Low 4" in response.content.decode()


def test_matrix_arrows_stop_at_forty_the_worst_first(cast, make_risk):
    make_risk(inherent=(5, 5), residual=(1, 1))
    for _ in range(40):
        make_risk(inherent=(5, 5), residual=(4, 4))
    response = cast.client_for(cast.reader).get(URL + "?arrows=1")
    ways = response.context["boards"][0][1].ways
    assert len(ways) == 40
    assert "VOICE-1" not in {way.code for way in ways}
    assert "(40 at most, the worst first)" in response.content.decode()


# --- what makes no sense


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=nonsense", "kind"),
        ("category=nothing", "category"),
        ("owner=99999999999999999999999", "owner"),
        ("owner=%00", "owner"),
    ],
)
def test_matrix_senseless_filter_shows_its_error_and_no_counts(cast, make_risk, query, field):
    make_risk(residual=(4, 3))
    response = cast.client_for(cast.reader).get(f"{URL}?{query}")
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert response.context["form"].errors[field][0] in response.content.decode().replace("&#x27;", "'")
    assert "VOICE-1" not in response.content.decode()


# --- several registers


def test_matrix_of_registers_with_one_matrix_adds_them_up(cast, make_risk, matrix):
    values = {"key": "TRANS", "name_en": "Translation", "matrix": matrix}
    trans = create_register(cast.team, values, by=cast.actor(cast.administrator))
    make_risk(residual=(4, 3))
    make_risk(register=trans, residual=(4, 3))
    client = cast.client_for(cast.reader)
    assert cells(client.get(URL)) == {(4, 3): (2, ["VOICE-1", "TRANS-1"])}
    assert cells(client.get(URL + "?register=TRANS")) == {(4, 3): (1, ["TRANS-1"])}


def test_matrix_of_registers_with_different_matrices_draws_each(cast, make_risk, matrix, small):
    make_risk(residual=(4, 3))
    make_risk(register=small, residual=(3, 3))
    response = cast.client_for(cast.reader).get(URL + "?arrows=1")
    names = [board.name for board, _arrows in response.context["boards"]]
    assert names == [small.matrix.name, matrix.name]
    assert cells(response, 0) == {(3, 3): (1, ["SMALL-1"])}
    assert cells(response, 1) == {(4, 3): (1, ["VOICE-1"])}
    assert "The registers use different matrices" in response.content.decode()
    assert "register=SMALL&amp;kind=residual&amp;state=active&amp;probability=3" in response.content.decode()


def test_matrix_without_a_register_offers_the_first_step(cast):
    assert "No register yet" in cast.client_for(cast.reader).get(URL).content.decode()


# --- who, and how


def test_matrix_is_for_members_only(cast, client):
    assert cast.client_for(cast.outsider).get(URL).status_code == 404
    assert client.get(URL)["Location"] == f"/accounts/login/?next={URL}"
    assert cast.client_for(cast.reader).get(URL + "?register=NONE").status_code == 404
    assert cast.client_for(cast.manager).post(URL).status_code == 405


def test_matrix_for_htmx_is_the_part_alone(cast, make_risk, htmx_headers):
    make_risk(residual=(4, 3))
    page = cast.client_for(cast.reader).get(URL, headers=htmx_headers("matrix-page")).content.decode()
    assert page.startswith('<div id="matrix-page"')
    assert "<html" not in page


@pytest.mark.parametrize(
    "query", ["", "?kind=inherent&arrows=1", "?owner=me&category=technical", "?date=2026-01-01"]
)
def test_matrix_queries_do_not_grow_with_rows(cast, register, make_risk, count_queries, query):
    client = cast.client_for(cast.owner)
    make_risk(residual=(4, 3), inherent=(5, 5))
    client.get(URL)
    first = count_queries(lambda: client.get(URL + query))
    for number in range(29):
        make_risk(residual=(1 + number % 5, 3), inherent=(5, 5))
    assert count_queries(lambda: client.get(URL + query)) == first
    assert first <= 12

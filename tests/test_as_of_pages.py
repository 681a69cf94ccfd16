"""The pages of a past day: how they say so, what they refuse, and what they cost."""

import csv
import io
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import openpyxl
import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from risks.enums import Kind
from risks.models import AuditEvent, Comment, Register, Risk, SavedView, User
from risks.models.translated import Text
from risks.queries.as_of import first_day, risks_at
from risks.rules import Actor
from risks.services.assessment import assess_risk
from risks.services.discussion import add_comment, delete_comment, edit_comment
from risks.services.history import delete_tracked, save_tracked
from risks.services.risk import create_risk, update_risk

LIST, MATRIX = "/t/acme/risks/", "/t/acme/matrix/"
PAST = "This is the past; nothing can be changed here."


def ago(days):
    return timezone.now() - timedelta(days=days)


def day(days):
    return timezone.localdate() - timedelta(days=days)


@pytest.fixture
def register(cast, matrix) -> Register:
    """`VOICE`, two months old."""
    values = {"key": "VOICE", "name_en": "Voice assistant", "matrix": matrix, "budget_amount": 10_000_000}
    register = Register(team=cast.team, **values)
    save_tracked(register, by=Actor.system(cast.team.pk), at=ago(60))
    return register


@pytest.fixture
def moved(cast, make_risk):
    """VOICE-1, at (2, 2) thirty days ago and at (5, 5) ten days ago."""
    risk = make_risk(title_en="Misheard speech", inherent=(5, 5), residual=(2, 2), at=ago(30))
    worse = Text("Worse")
    assess_risk(risk, Kind.RESIDUAL, 5, 5, by=cast.actor(cast.manager), reason=worse, at=ago(10))
    return risk


PAGES = [LIST, MATRIX, f"{LIST}VOICE-1/"]


# --- how it looks


@pytest.mark.parametrize("path", PAGES)
def test_past_page_says_so_and_leads_back(cast, moved, path):
    page = cast.client_for(cast.manager).get(f"{path}?as_of={day(12)}").content.decode()
    written = f"{day(12):%-d %b %Y}"
    assert f"As it was at the end of {written}" in page
    assert '<a href="?">Back to today</a>' in page
    assert PAST in page
    assert 'class="page page-past"' in page


@pytest.mark.parametrize("path", PAGES)
def test_present_page_offers_days_without_javascript(cast, moved, path):
    page = cast.client_for(cast.reader).get(f"{path}?page=1").content.decode()
    assert 'class="past"' not in page
    form = re.search(r'<form class="as-of-form" method="get" action="([^"]*)">(.*?)</form>', page, re.S)
    assert form[1] == path
    assert f'type="date" name="as_of" required value="" max="{day(1)}"' in form[2]
    offered = re.findall(r'href="[^"]*\?as_of=([-\d]+)"', page)
    assert f"{day(7)}" in offered
    assert f"{timezone.localdate().replace(day=1) - timedelta(days=1)}" in offered
    assert len(offered) == 3


@pytest.mark.parametrize("path", PAGES)
def test_past_page_has_nothing_that_changes_anything(cast, moved, make_mitigation, path):
    make_mitigation(moved)
    page = cast.client_for(cast.manager).get(f"{path}?as_of={day(1)}").content.decode()
    forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page)
    assert set(forms) <= {"/me/preferences/", "/accounts/logout/", ""}  # the empty one waits for a drag
    assert (
        re.findall(r'(?:href|hx-get|hx-post)="[^"]*/(?:edit|field|assess|move|new|bulk|delete)/', page) == []
    )
    assert 'draggable="true"' not in page
    assert 'name="risk" value=' not in page


@pytest.mark.parametrize("path", PAGES)
def test_links_of_past_pages_stay_on_the_day(cast, moved, path):
    page = cast.client_for(cast.manager).get(f"{path}?as_of={day(5)}").content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    inside = re.findall(r'href="((?:/t/acme/(?:risks|matrix)/[^"#]*)|\?[^"#]*)"', main)
    others = {link for link in inside if "as_of=" not in link}
    today = {link for link in others if link in (path, "?")}
    assert others - today == set()
    assert any(f"as_of={day(5)}" in link for link in inside)


def test_htmx_answer_of_the_list_renews_the_banner(cast, moved, htmx_headers):
    client = cast.client_for(cast.reader)
    answer = client.get(
        f"{LIST}?as_of={day(5)}&state=open", headers=htmx_headers("risk-list")
    ).content.decode()
    assert '<div class="past" id="past" hx-swap-oob="true"' in answer
    assert '<a href="?state=open">Back to today</a>' in answer
    assert "<html" not in answer


# --- what it shows


def test_matrix_shows_cells_arrows_and_lists_of_the_day(cast, moved):
    client = cast.client_for(cast.manager)
    page = client.get(f"{MATRIX}?as_of={day(12)}&arrows=1")
    board, arrows = page.context["boards"][0]
    assert {place: cell.count for place, cell in board.cells.items() if cell.count} == {(2, 2): 1}
    assert [way.url for way in arrows.ways] == [f"{LIST}VOICE-1/?as_of={day(12)}"]
    link = board.cells[2, 2].url
    assert f"as_of={day(12)}" in link
    assert [risk.code for risk in client.get(link).context["table"].records] == ["VOICE-1"]
    assert client.get(link.replace(f"{day(12)}", f"{day(10)}")).context["table"].total == 0


def test_old_address_of_the_matrix_leads_to_the_new_one(cast, moved):
    response = cast.client_for(cast.reader).get(f"{MATRIX}?kind=target&date={day(12)}")
    assert (response.status_code, response.url) == (302, f"{MATRIX}?kind=target&as_of={day(12)}")
    assert cast.client_for(cast.reader).get(f"{MATRIX}?date=").url == MATRIX


def test_movement_is_of_the_thirty_days_before_the_day(cast, moved):
    def arrow(as_of):
        page = cast.client_for(cast.reader).get(f"{LIST}?as_of={as_of}")
        return [page.context["table"].cell_movement(risk) != "" for risk in page.context["table"].records]

    assert [arrow(day(days)) for days in (12, 10, 1)] == [[False], [True], [True]]


def test_register_has_the_name_and_budget_of_then(cast, register, moved):
    register.name_en, register.budget_amount = "Talking machine", 5_000_000
    save_tracked(register, by=cast.actor(cast.administrator), at=ago(5))
    client = cast.client_for(cast.reader)
    names = [client.get(f"{LIST}?register=VOICE&as_of={day(days)}").context["scope"].register.name
             for days in (6, 4)]  # fmt: skip
    assert names == ["Voice assistant", "Talking machine"]
    assert client.get(f"{LIST}VOICE-1/?as_of={day(6)}").context["risk"].register.budget_amount == 10_000_000


def test_register_archived_since_is_there_and_before_that_it_is_not(cast, register, moved):
    register.archived_at = ago(5)
    save_tracked(register, by=cast.actor(cast.administrator), at=ago(5))
    client = cast.client_for(cast.reader)
    totals = [client.get(f"{LIST}?as_of={day(days)}").context["table"].total for days in (6, 5)]
    assert totals == [1, 0]
    assert client.get(f"{LIST}?as_of={day(4)}&register=VOICE").context["table"].total == 1
    assert client.get(f"{MATRIX}?as_of={day(6)}").context["active"] == 1
    assert client.get(f"{MATRIX}?as_of={day(4)}").context["boards"] == []


def test_owner_who_left_is_named(cast, moved):
    with time_machine.travel(ago(3)):
        update_risk(moved, {"owner": cast.owner}, by=cast.actor(cast.manager))
    delete_tracked(cast.owner.memberships.get(), by=cast.actor(cast.administrator))
    client = cast.client_for(cast.reader)
    assert "Owner" in str(client.get(f"{LIST}?as_of={day(2)}&sort=owner").context["table"].body)
    assert client.get(f"{LIST}VOICE-1/?as_of={day(2)}").context["risk"].owner == cast.owner
    assert client.get(f"{LIST}VOICE-1/?as_of={day(4)}").context["risk"].owner is None


def test_saved_views_show_the_day_and_are_not_written_there(cast, moved):
    view = SavedView.objects.create(team=cast.team, user=cast.manager, name="Open", query="state=open")
    page = cast.client_for(cast.manager).get(f"{LIST}?state=draft&as_of={day(3)}")
    assert page.context["views"] == [(view, f"{LIST}?state=open&as_of={day(3)}", False)]
    assert "views/" not in page.content.decode()


def test_activity_of_the_past_pages_on(cast, moved, htmx_headers):
    for number in range(25):
        assess_risk(moved, Kind.TARGET, 1, 1 + number % 2, by=cast.actor(cast.manager),
                    reason=Text("Again"), at=ago(9))  # fmt: skip
    client = cast.client_for(cast.reader)
    page = client.get(f"{LIST}VOICE-1/?as_of={day(5)}").content.decode()
    assert f'href="{LIST}VOICE-1/?as_of={day(5)}&amp;page=2#activity"' in page
    older = client.get(f"{LIST}VOICE-1/?as_of={day(5)}&page=2", headers=htmx_headers("activity"))
    assert len(older.context["lines"]) > 0
    assert len(client.get(f"{LIST}VOICE-1/?as_of={day(20)}").context["lines"]) == 3


def test_discussion_is_what_had_been_said_by_then(cast, moved):
    by = cast.actor(cast.contributor)

    def said(days):
        page = cast.client_for(cast.contributor).get(f"{LIST}VOICE-1/?as_of={day(days)}")
        html = page.content.decode()
        assert '/edit/"' not in html
        assert ('id="discussion"' in html) == bool(page.context["comments"])
        return [comment.comment.body for comment in page.context["comments"]]

    with time_machine.travel(ago(20)):
        first = add_comment(moved, "First words", by=by)
        gone = add_comment(moved, "Said and taken back", by=by)
    with time_machine.travel(ago(10)):
        edit_comment(first, "Better words", by=by, seen_version=first.version)
        add_comment(moved, "Second", by=by)
    with time_machine.travel(ago(5)):
        delete_comment(gone, by=by)
        edit_comment(Comment.objects.get(pk=first.pk), "Best words", by=by, seen_version=2)
    assert [said(days) for days in (21, 20, 10, 5, 1)] == [
        [], ["First words"], ["Better words", "Second"], ["Best words", "Second"], ["Best words", "Second"],
    ]  # fmt: skip


# --- exports


def test_csv_of_a_day_has_its_rows_its_name_and_is_recorded(cast, moved, make_mitigation):
    make_mitigation(moved)
    response = cast.client_for(cast.reader).get(f"{LIST}export.csv?register=VOICE&as_of={day(12)}")
    name = f"VOICE-as-of-{day(12)}.csv"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    found = [
        row[head] for head in ("Code", "As of", "Residual: score", "Open mitigations", "Late mitigations")
    ]
    assert found == ["VOICE-1", f"{day(12)}", "4", "0", "0"]
    assert AuditEvent.objects.filter(object_label=name, actor=cast.reader).count() == 1


def test_xlsx_of_a_day_counts_its_mitigations(cast, moved, make_mitigation):
    with time_machine.travel(ago(11)):
        make_mitigation(moved, due_date=day(9))
    response = cast.client_for(cast.reader).get(f"{LIST}export.xlsx?as_of={day(8)}")
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content))).active
    heads, values = ([cell.value for cell in row] for row in sheet.iter_rows())
    row = dict(zip(heads, values, strict=True))
    assert (row["As of"].date(), row["Residual: score"]) == (day(8), 10)
    assert (row["Open mitigations"], row["Late mitigations"]) == (1, 1)


# --- what is refused


@pytest.mark.parametrize("path", [*PAGES, f"{LIST}export.csv"])
@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("yesterday", "“yesterday” is not a day. Write year, month and day, such as 2026-09-03."),
        ("0000-00-00", "“0000-00-00” is not a day."),
        ("2026-02-30", "“2026-02-30” is not a day."),
        ("2026-09-03T10:00", "is not a day."),
        ("%00", "is not a day."),
        ("-1", "“-1” is not a day."),
        ("9" * 400, "is not a day."),
        ("9999-12-31", "That day is yet to come. Choose a day before today."),
        ("0001-01-01", "There was nothing of Demo team yet: its history begins on"),
        ("1970-01-01", "Choose that day or a later one."),
    ],
)
def test_day_that_makes_no_sense_is_told_and_the_rest_kept(cast, moved, path, asked, sentence):
    response = cast.client_for(cast.reader).get(f"{path}?state=open&as_of={asked}")
    page = response.content.decode()
    assert response.status_code == 422
    assert sentence in page
    assert '<input type="hidden" name="state" value="open">' in page
    assert f'href="{path}?state=open">Back to today</a>' in page
    assert "VOICE-1" not in page.replace(path, "")


def test_day_before_the_register_or_the_risk_says_when_they_begin(cast, register, moved):
    client = cast.client_for(cast.reader)
    page = client.get(f"{LIST}?register=VOICE&as_of={day(61)}").content.decode()
    assert f"There was nothing of VOICE yet: its history begins on {day(60):%-d %b %Y}." in page
    response = client.get(f"{LIST}VOICE-1/?as_of={day(31)}")
    assert response.status_code == 422
    assert f"nothing of VOICE-1 yet: its history begins on {day(30):%-d %b %Y}." in response.content.decode()
    empty = client.get(f"{LIST}?as_of={day(40)}")
    assert (empty.status_code, empty.context["table"].total) == (200, 0)
    assert "Nothing was logged at the end of that day." in empty.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_today_is_the_live_page(cast, moved, path):
    client = cast.client_for(cast.reader)
    for asked in (f"{timezone.localdate()}", ""):
        response = client.get(f"{path}?state=open&as_of={asked}")
        assert (response.status_code, response.url) == (302, f"{path}?state=open")


@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}VOICE-1/", f"{LIST}VOICE-1/edit/", f"{LIST}VOICE-1/move/close/", f"{LIST}bulk/",
             f"{LIST}VOICE-1/assess/", f"{LIST}VOICE-1/field/owner/", f"{LIST}views/", f"{LIST}new/"],
)  # fmt: skip
@pytest.mark.parametrize("htmx", [False, True])
def test_nothing_is_posted_to_the_past(cast, moved, path, htmx):
    before = Risk.objects.get(pk=moved.pk).updated_at
    data = {"kind": "residual", "cell": "1-1", "reason": "x", "title_en": "x", "name": "x", "version": "1"}
    headers = {"HX-Request": "true"} if htmx else {}
    address = f"{path}?as_of={day(3)}"
    response = cast.client_for(cast.manager).post(address, data, headers=headers)
    reads_only = path == f"{LIST}VOICE-1/"
    assert response.status_code == (405 if reads_only else 403)
    assert reads_only or PAST in response.content.decode()
    assert Risk.objects.get(pk=moved.pk).updated_at == before
    assert SavedView.objects.count() == 0


@pytest.mark.parametrize(
    "path", ["", "mitigations/", "registers/", "library/", "risks/new/", "risks/VOICE-1/edit/"]
)
def test_pages_that_know_the_present_only_lead_to_it(cast, moved, path):
    response = cast.client_for(cast.manager).get(f"/t/acme/{path}?as_of={day(3)}&register=VOICE")
    assert (response.status_code, response.url) == (302, f"/t/acme/{path}?register=VOICE")


@pytest.mark.parametrize("path", [*PAGES, f"{LIST}export.csv"])
def test_past_of_a_foreign_team_is_not_found(cast, moved, path):
    assert cast.client_for(cast.outsider).get(f"{path}?as_of={day(3)}").status_code == 404
    assert Client().get(f"{path}?as_of={day(3)}").status_code == 302


def test_past_risk_and_register_of_a_foreign_team_are_not_found(cast, moved):
    client = cast.client_for(cast.manager)
    assert client.get(f"{LIST}OTHER-1/?as_of={day(3)}").status_code == 404
    assert client.get(f"{LIST}?register=OTHER&as_of={day(3)}").status_code == 404
    assert client.get(f"{LIST}VOICE-999/?as_of={day(3)}").status_code == 404


# --- by whose clock

PLACES = ["Pacific/Pago_Pago", "Asia/Shanghai", "Pacific/Kiritimati"]  # eleven hours behind to fourteen ahead


@pytest.fixture(params=PLACES)
def zone(request, cast):
    """That of the reader; the site's is UTC."""
    User.objects.filter(pk=cast.reader.pk).update(time_zone=request.param)
    return ZoneInfo(request.param)


@pytest.fixture
def midnight(cast, zone, matrix):
    """The end of 1 May where the reader is; VOICE-1 and its register came a minute before, VOICE-2 after."""
    end = datetime(2026, 5, 2, tzinfo=zone)
    with time_machine.travel(end - timedelta(minutes=1), tick=False):
        by, values = cast.actor(cast.manager), {"key": "VOICE", "name_en": "Voice", "matrix": matrix}
        register = Register(team=cast.team, **values)
        save_tracked(register, by=Actor.system(cast.team.pk))
        create_risk(register, {"title_en": "On the day"}, by=by)
    with time_machine.travel(end + timedelta(minutes=1), tick=False):
        create_risk(register, {"title_en": "On the day after"}, by=by)
    return end


@pytest.mark.parametrize(("asked", "codes"), [("05-01", ["VOICE-1"]), ("05-02", ["VOICE-1", "VOICE-2"])])
def test_day_ends_when_it_ends_for_the_reader(cast, midnight, asked, codes):
    client = cast.client_for(cast.reader)
    page = client.get(f"{LIST}?as_of=2026-{asked}&sort=code")
    assert [risk.code for risk in page.context["table"].data.data] == codes
    assert client.get(f"{LIST}VOICE-2/?as_of=2026-{asked}").status_code == (200 if len(codes) == 2 else 422)


def test_dates_on_a_past_page_and_in_its_export_are_of_that_day_or_before(cast, midnight):
    client = cast.client_for(cast.reader)
    assert "1 May 2026" in client.get(f"{LIST}VOICE-1/?as_of=2026-05-01").content.decode()
    export = b"".join(client.get(f"{LIST}export.csv?as_of=2026-05-01").streaming_content)
    (row,) = csv.DictReader(io.StringIO(export.decode("utf-8-sig")))
    assert row["Logged"] == "2026-05-01 23:59"


def test_first_day_named_can_be_chosen(cast, midnight):
    client = cast.client_for(cast.reader)
    for path in (f"{LIST}VOICE-1/", f"{LIST}?register=VOICE", LIST):
        address = f"{path}{'&' if '?' in path else '?'}as_of="
        refused = client.get(f"{address}2026-04-30")
        assert (refused.status_code, "begins on 1 May 2026." in refused.content.decode()) == (422, True)
        assert client.get(f"{address}2026-05-01").status_code == 200


def test_day_that_has_not_ended_for_the_reader_is_today(cast, midnight, zone):
    with time_machine.travel(midnight - timedelta(seconds=1), tick=False):
        client = cast.client_for(cast.reader)
        assert client.get(f"{LIST}?as_of=2026-05-01").status_code == 302
        assert client.get(f"{LIST}?as_of=2026-05-02").status_code == 422
    with time_machine.travel(midnight, tick=False):
        assert cast.client_for(cast.reader).get(f"{LIST}?as_of=2026-05-01").status_code == 200


# --- what it costs


def test_queries_of_past_pages_do_not_grow(cast, register, make_risk, make_mitigation, count_queries):
    client = cast.client_for(cast.manager)
    columns = "&".join(f"columns={name}" for name in ("movement", "mitigations", "owner"))
    addresses = [f"{LIST}?{columns}", f"{LIST}?late=any&moved=up&q=risk", MATRIX, f"{LIST}VOICE-1/"]

    def counts():
        for address in addresses:  # once to warm up
            client.get(f"{address}{'&' if '?' in address else '?'}as_of={day(2)}")
        return [
            count_queries(
                lambda address=a: client.get(f"{address}{'&' if '?' in address else '?'}as_of={day(2)}")
            )
            for a in addresses
        ]

    def add(number):
        for _ in range(number):
            risk = make_risk(residual=(2, 2), owner=cast.owner, at=ago(30))
            assess_risk(risk, Kind.RESIDUAL, 4, 4, by=cast.actor(cast.manager), reason=Text("x"), at=ago(9))

    add(1)
    at_one = counts()
    add(29)
    assert counts() == at_one
    assert at_one == [12, 9, 9, 11]


def test_first_day_is_that_of_the_first_version(cast, register, moved):
    assert first_day([register]) == timezone.localdate(ago(60))
    assert first_day([moved]) == timezone.localdate(ago(30))


def test_versions_of_other_registers_and_teams_are_left_out(cast, register, moved):
    assert [risk.code for risk in risks_at(cast.team.pk, [register.pk], timezone.now())] == ["VOICE-1"]
    assert list(risks_at(cast.team.pk, [cast.other_register.pk], timezone.now())) == []
    assert list(risks_at(cast.other_team.pk, [register.pk], timezone.now())) == []

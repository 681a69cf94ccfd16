"""Exports of the list of risks: the rows on screen, all columns, read back."""

import csv
import io
from datetime import date, datetime

import openpyxl
import pytest
from django.urls import reverse
from django.utils import timezone

from risks.exchange.csv import plain
from risks.models import AuditEvent, Category

HEADINGS = [
    "Code", "Register", "Title (English)", "Title (Chinese)", "Cause (English)", "Cause (Chinese)",
    "Event (English)", "Event (Chinese)", "Consequence (English)", "Consequence (Chinese)", "Category",
    "Subcategory", "Owner", "Owner's e-mail address", "State", "Strategy",
    "Inherent: probability", "Inherent: impact", "Inherent: score", "Inherent: level",
    "Residual: probability", "Residual: impact", "Residual: score", "Residual: level",
    "Target: probability", "Target: impact", "Target: score", "Target: level",
    "Expected loss a year", "Expected loss a year, share of the budget", "Expected loss a year, amount",
    "Currency", "Next review", "Logged", "Last change", "Open mitigations", "Late mitigations",
]  # fmt: skip


def address(file_format, query=""):
    return reverse("risks:risk-export", args=["acme", file_format]) + query


@pytest.fixture
def read_csv(cast):
    """Rows of the CSV as dictionaries by heading."""

    def read(query="", user=None):
        response = cast.client_for(user or cast.reader).get(address("csv", query))
        assert response.status_code == 200
        content = b"".join(response.streaming_content)
        assert content.startswith(b"\xef\xbb\xbf")
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))

    return read


@pytest.fixture
def read_xlsx(cast):
    """Cells of the XLSX, the heading first."""

    def read(query=""):
        response = cast.client_for(cast.reader).get(address("xlsx", query))
        assert response.status_code == 200
        return openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content))).active

    return read


@pytest.fixture
def full_risk(cast, make_risk, make_mitigation):
    """A risk with a value in every column."""
    technical = Category.objects.get(key="technical", parent=None)
    risk = make_risk(
        title_en="Drift", title_zh="漂移", cause_en="c", cause_zh="因", event_en="e", event_zh="事",
        consequence_en="q", consequence_zh="果", category=technical,
        subcategory=Category.objects.get(key="data", parent=technical), owner=cast.owner, strategy="reduce",
        next_review_date=date(2031, 2, 3), frequency_low=0.1, frequency_high=0.1, impact_low=0.2,
        impact_likely=0.2, impact_high=0.2, inherent=(5, 5), residual=(4, 4), target=(1, 1),
    )  # fmt: skip
    make_mitigation(risk, due_date=date(2020, 1, 1))
    make_mitigation(risk)
    make_mitigation(risk, state="done")
    return risk


def test_csv_says_everything_of_a_risk(read_csv, full_risk):
    (row,) = read_csv()

    logged = timezone.localtime(full_risk.logged_at).replace(tzinfo=None).isoformat(" ", "minutes")
    assert list(row) == HEADINGS
    assert list(row.values())[:32] == [
        "VOICE-1", "VOICE", "Drift", "漂移", "c", "因", "e", "事", "q", "果",
        str(full_risk.category), str(full_risk.subcategory), "Owner", "owner@acme.example", "Open", "Reduce",
        "5", "5", "10", "Critical", "4", "4", "8", "High", "1", "1", "2", "Low",
        "¥200\N{NO-BREAK SPACE}k", "0.02", "200000.0", "CNY",
    ]  # fmt: skip
    assert row["Next review"] == "2031-02-03"
    assert row["Logged"] == logged
    assert (row["Open mitigations"], row["Late mitigations"]) == ("2", "1")


def test_xlsx_holds_the_same_with_real_types(read_xlsx, full_risk):
    sheet = read_xlsx()
    head, row = sheet.iter_rows(values_only=True)

    cells = dict(zip(head, row, strict=True))
    assert list(head) == HEADINGS
    assert cells["Next review"] == datetime(2031, 2, 3)
    assert cells["Residual: score"] == 8
    assert cells["Expected loss a year, share of the budget"] == pytest.approx(0.02)
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:AK2"
    assert sheet["AG2"].number_format == "yyyy-mm-dd"


def test_export_holds_exactly_the_filtered_rows_in_their_order(read_csv, read_xlsx, make_risk):
    make_risk(title_en="b", residual=(1, 1))
    make_risk(title_en="a", residual=(5, 5))
    make_risk(title_en="c", state="closed")
    query = "?state=active&sort=title"

    assert [row["Code"] for row in read_csv(query)] == ["VOICE-2", "VOICE-1"]
    assert [cell.value for cell in read_xlsx(query)["A"]] == ["Code", "VOICE-2", "VOICE-1"]


def test_export_of_one_page_holds_all_pages(read_csv, make_risk):
    for _number in range(26):
        make_risk()

    assert len(read_csv("?per_page=25&page=2")) == 26


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_text_that_looks_like_a_formula_is_quoted(start):
    assert plain(start) == "'" + start


@pytest.mark.parametrize("value", ["a=1", -1, 1.5, None, ""])
def test_csv_other_values_stay(value):
    assert plain(value) == value


def test_formulas_in_titles_are_text_in_both_files(read_csv, read_xlsx, make_risk):
    make_risk(title_en='=HYPERLINK("https://x.example")', title_zh="https://x.example")

    assert read_csv()[0]["Title (English)"] == '\'=HYPERLINK("https://x.example")'
    cell = read_xlsx()["C2"]
    assert (cell.value, cell.data_type) == ('=HYPERLINK("https://x.example")', "s")
    assert read_xlsx()["D2"].hyperlink is None


def test_emoji_right_to_left_and_control_characters_survive(read_csv, read_xlsx, make_risk):
    title = "🔥 \u202eעברית\u202c <b>x</b>"
    make_risk(title_en=title, cause_en="line\nline", event_en="x" * 10_000)

    assert read_csv()[0]["Title (English)"] == title
    assert read_xlsx()["C2"].value == title
    assert read_xlsx()["G2"].value == "x" * 10_000


def test_export_in_chinese_has_chinese_level_and_both_titles(cast, read_csv, full_risk):
    cast.reader.language = "zh-hans"
    cast.reader.save()

    (row,) = read_csv(user=cast.reader)

    assert "高" in row.values()
    assert {"Drift", "漂移"} < set(row.values())


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
@pytest.mark.parametrize("query", ["?state=bogus", "?sort=bogus", "?columns=bogus"])
def test_export_of_an_invalid_list_is_refused_and_not_recorded(cast, register, file_format, query):
    response = cast.client_for(cast.reader).get(address(file_format, query))

    assert response.status_code == 422
    assert not AuditEvent.objects.filter(verb="exported").exists()


def test_xlsx_of_too_many_rows_is_refused_and_csv_offered(cast, make_risk, read_csv, monkeypatch):
    monkeypatch.setattr("risks.views.risk_list.MAX_ROWS", 1)
    make_risk()
    make_risk()

    response = cast.client_for(cast.reader).get(address("xlsx"))

    assert response.status_code == 422
    assert "Narrow the list, or take CSV." in response.content.decode()
    assert len(read_csv()) == 2


def test_export_is_recorded(cast, register, read_csv):
    read_csv("?register=VOICE")

    event = AuditEvent.objects.get(verb="exported")
    assert (event.actor, event.register) == (cast.reader, register)
    assert event.object_label == f"VOICE-{timezone.localdate():%Y-%m-%d}.csv"


def test_unknown_format_does_not_exist(cast, register):
    assert cast.client_for(cast.reader).get(address("pdf")).status_code == 404


def test_outsider_cannot_export(cast, register):
    assert cast.client_for(cast.outsider).get(address("csv")).status_code == 404


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_export_of_30_rows_makes_the_queries_of_one(
    cast, make_risk, make_mitigation, count_queries, file_format
):
    def export():
        response = cast.client_for(cast.reader).get(address(file_format))
        b"".join(response.streaming_content)

    make_mitigation(make_risk(residual=(3, 3), owner=cast.owner))
    export()
    one = count_queries(export)
    for _number in range(29):
        make_mitigation(make_risk(residual=(3, 3), owner=cast.manager))

    assert count_queries(export) == one

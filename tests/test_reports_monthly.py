"""The monthly report: what it says, and the PDF that says it."""

from base64 import b64decode
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from xml.etree import ElementTree

import pikepdf
import pytest
from django.utils import timezone
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from risks.enums import Kind
from risks.models.translated import Text
from risks.queries.movement import month_before, month_of, months_since
from risks.reports import pdf as printer
from risks.reports.monthly import TooManyRisks, build_report, make_report, render_report
from risks.rules import MOVES_BY_NAME
from risks.services.assessment import assess_risk
from risks.services.risk import move_risk

OCTOBER = date(2026, 10, 1)
NOW = datetime(2026, 10, 20, 9, 30, tzinfo=UTC)
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 20


@pytest.fixture
def build(register, cast):
    def make(language="en", month=OCTOBER, now=NOW):
        return build_report(register, month, language, prepared_by=cast.manager, now=now)

    return make


@pytest.fixture
def history(make_risk, make_mitigation, cast):
    """Two risks of September, one of them moved down in October, and one that came in October."""
    first = make_risk(
        title_en="Voices are cloned", title_zh="声音被克隆", cause_en="Seconds of audio suffice",
        event_en="A caller deceives sign-in", consequence_en="Stolen funds", owner=cast.owner,
        inherent=(5, 5), residual=(4, 5), target=(2, 3), at=datetime(2026, 9, 3, tzinfo=UTC),
        next_review_date=date(2026, 10, 19),
        frequency_low=0.1, frequency_high=0.3, impact_low=0.01, impact_likely=0.02, impact_high=0.04,
    )  # fmt: skip
    second = make_risk(
        title_en="Costs rise", residual=(2, 2), next_review_date=date(2026, 10, 20),
        at=datetime(2026, 9, 4, tzinfo=UTC),
    )  # fmt: skip
    new = make_risk(
        title_en="", title_zh="训练数据缺少授权", residual=(3, 4), at=datetime(2026, 10, 5, tzinfo=UTC)
    )
    assess_risk(
        first, Kind.RESIDUAL, 3, 4, by=cast.actor(cast.manager),
        reason=Text("The check stops 96 %", "检测可拦截 96%"), at=datetime(2026, 10, 8, tzinfo=UTC),
    )  # fmt: skip
    make_mitigation(first, title_en="Replace the check", due_date=date(2026, 10, 1), owner=cast.owner)
    return first, second, new


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


def squeezed(text: str) -> str:
    """Without white space, which a reader of PDFs guesses."""
    return "".join(text.split())


# --- what it says


def test_figures_are_those_of_the_month(build, history):
    report = build()

    assert [(figure.value, figure.note) for figure in report.figures] == [
        ("3", "+1 since September 2026"),
        ("2", "+1 since September 2026"),
        ("1", "as of 20 Oct 2026"),
        ("1", "as of 20 Oct 2026"),
        ("¥43.7\N{NO-BREAK SPACE}k", "0.44 % of the yearly budget; 1 of 3 risks estimated"),
    ]
    assert [(level.name, level.count) for level in report.levels] == [
        ("Critical", 0), ("High", 2), ("Medium", 0), ("Low", 1),
    ]  # fmt: skip


def test_sentences_are_made_of_the_figures(build, history):
    assert build().sentences == (
        "On 20 Oct 2026 the register holds 3 active risks; "
        "2 of them are at level High or Critical, 1 more than a month before.",
        "During October 2026 it gained 1 risk, reopened no risks and closed no risks; no risks moved up and "
        "1 risk moved down.",
        "On 20 Oct 2026 it has 1 late mitigation, 1 overdue review and 0 acceptances ending within 60 days.",
    )


def test_running_month_is_told_of_today_and_a_past_one_of_its_end(build, history):
    running, past = build(), build(month=month_before(OCTOBER))

    assert (running.when, past.when) == ("on 20 Oct 2026", "at the end of September 2026")
    assert past.sentences[0].startswith("At the end of September 2026 the register holds 2 active risks; ")
    assert running.balance.endswith("= 3 active on 20 Oct 2026")
    assert running.trend_title == "Active risks by level at each month's end and on 20 Oct 2026"
    assert past.trend_title == "Active risks by level at each month's end"
    assert running.matrix.alt.startswith("Risk matrix on 20 Oct 2026. ")
    assert "end of October" not in render_report(running)


@pytest.mark.parametrize(("assessed", "named"), [(True, 0), (False, 1)])
def test_legend_of_the_trend_names_unassessed_risks_where_there_are_some(build, make_risk, assessed, named):
    make_risk(residual=(4, 4) if assessed else None, at=datetime(2026, 10, 2, tzinfo=UTC))
    picture = build().trend

    svg = b64decode(picture.src.partition(",")[2]).decode()
    assert svg.count(">Not assessed</text>") == named
    assert picture.alt.endswith(f"Low 0, Not assessed {named}")


def test_changes_name_reason_and_person(build, history, cast):
    new, down = build().changes

    assert (new.title, [row.code for row in new.rows]) == ("New", ["VOICE-3"])
    row = down.rows[0]
    assert (down.title, row.code, str(row.before), str(row.after)) == (
        "Moved down", "VOICE-1", "■ 9 Critical", "▲ 7 High",
    )  # fmt: skip
    assert (row.reason, row.who, row.day) == ("The check stops 96 %", str(cast.manager), "8 Oct 2026")


def test_register_lists_the_worst_first_as_pages_do(build, history, register):
    codes = [row.code for row in build().rows]

    assert codes == list(register.risks.active().worst_first().values_list("code", flat=True))
    assert [(str(row.residual), row.moved) for row in build().rows] == [
        ("▲ 7 High", ""), ("▲ 7 High", "↓"), ("○ 4 Low", ""),
    ]  # fmt: skip


def test_closed_risk_of_the_month_is_listed_last_and_counted_no_more(build, history, cast):
    move_risk(
        history[0], MOVES_BY_NAME["close"], by=cast.actor(cast.manager), reason=Text("Solved"),
        at=datetime(2026, 10, 15, tzinfo=UTC),
    )  # fmt: skip
    report = build()

    assert [(row.code, row.state) for row in report.rows][-1] == ("VOICE-1", "Closed")
    assert report.figures[0].value == "2"
    assert report.balance == (
        "2 active at the start + 1 new + 0 reopened − 1 closed = 2 active on 20 Oct 2026"
    )


def test_past_month_shows_positions_of_its_end(build, history):
    report = build(month=month_before(OCTOBER))

    assert [(row.code, str(row.residual)) for row in report.rows] == [
        ("VOICE-1", "■ 9 Critical"), ("VOICE-2", "○ 4 Low"),
    ]  # fmt: skip
    assert report.period == "September 2026"


def test_drafts_are_counted_in_the_method_only(build, make_risk):
    make_risk(state="draft", at=datetime(2026, 10, 2, tzinfo=UTC))
    report = build()

    assert (report.drafts, report.rows, report.figures[0].value) == (1, (), "0")


def test_text_in_the_other_language_is_marked(build, history):
    titles = {row.code: row.title for row in build().rows}

    assert titles["VOICE-3"] == '<span lang="zh-Hans">训练数据缺少授权</span>'
    assert titles["VOICE-1"] == "Voices are cloned"
    titles = {row.code: row.title for row in build("zh-hans").rows}
    assert titles["VOICE-2"] == '<span lang="en">Costs rise</span>'


def test_late_reviews_and_ending_acceptances_are_listed(build, make_risk, cast):
    due = make_risk(at=datetime(2026, 9, 3, tzinfo=UTC), next_review_date=date(2026, 10, 1))
    for until, code in ((date(2026, 12, 19), "VOICE-2"), (date(2026, 12, 20), "VOICE-3")):
        risk = make_risk(at=datetime(2026, 9, 3, tzinfo=UTC), next_review_date=date(2026, 10, 20))
        assert risk.code == code
        move_risk(
            risk, MOVES_BY_NAME["accept"], by=cast.actor(cast.manager), reason=Text("Cheaper to bear"),
            approver=cast.manager, until=until, at=datetime(2026, 9, 5, tzinfo=UTC),
        )  # fmt: skip
    report = build()

    assert [row.code for row in report.late_reviews] == [due.code]
    assert [(row.code, row.until, row.reason) for row in report.acceptances] == [
        ("VOICE-2", "19 Dec 2026", "Cheaper to bear")
    ]


def test_report_is_frozen(build):
    report = build()

    with pytest.raises(FrozenInstanceError):
        report.period = "never"
    assert all(not isinstance(getattr(report, field.name), list) for field in fields(report))


def test_months_begin_with_the_first_risk():
    assert months_since(date(2026, 8, 1), date(2026, 10, 20)) == [OCTOBER, date(2026, 9, 1), date(2026, 8, 1)]
    assert months_since(None, date(2026, 10, 20)) == [OCTOBER]


def test_more_risks_than_the_limit_are_refused(build, make_risk, settings):
    settings.REPORT_MAX_RISKS = 2
    for _ in range(2):
        make_risk(at=datetime(2026, 10, 2, tzinfo=UTC))
    make_risk(state="draft", at=datetime(2026, 10, 2, tzinfo=UTC))
    build()
    make_risk(at=datetime(2026, 10, 3, tzinfo=UTC))

    with pytest.raises(TooManyRisks, match="3 risks to print; a report holds at most 2"):
        build()


def test_queries_do_not_grow_with_the_risks(build, make_risk, make_mitigation, count_queries, cast):
    def fill():
        risk = make_risk(residual=(4, 4), owner=cast.owner, at=datetime(2026, 9, 3, tzinfo=UTC))
        make_mitigation(risk, due_date=date(2026, 10, 1), owner=cast.owner)
        move_risk(
            risk, MOVES_BY_NAME["accept"], by=cast.actor(cast.manager), reason=Text("Cheaper"),
            approver=cast.manager, until=date(2026, 12, 1), at=datetime(2026, 10, 5, tzinfo=UTC),
        )  # fmt: skip

    fill()
    at_one = count_queries(build)
    for _ in range(29):
        fill()

    assert count_queries(build) == at_one


# --- the file


def test_markup_is_well_formed_and_html_is_text(build, make_risk):
    make_risk(
        title_en='<img src="file:///etc/passwd"> & <b>bold</b>', cause_en="</td><script>alert(1)</script>",
        residual=(5, 5), at=datetime(2026, 10, 2, tzinfo=UTC),
    )  # fmt: skip
    markup = render_report(build())

    tree = ElementTree.fromstring(markup)  # noqa: S314
    assert {image.get("src")[:26] for image in tree.iter("img")} == {"data:image/svg+xml;base64,"}
    assert list(tree.iter("script")) == []
    text = squeezed(text_of(printer.write_pdf(markup)))
    assert '<imgsrc="file:///etc/passwd">&<b>bold</b>' in text
    assert "</td><script>alert(1)</script>" in text


def test_pdf_in_english_says_it_all(register, cast, history):
    pdf = make_report(register, OCTOBER, "en", prepared_by=cast.manager, now=NOW)
    text = text_of(pdf)

    for words in (
        "Voice assistant", "Risk report | October 2026", "Draft from live data", "Contents", "Summary",
        "What changed", "Top risks", "Late items and acceptances", "Full register", "Method and scales",
        "Sign-off", "Voices are cloned", "Seconds of audio suffice", "A caller deceives sign-in",
        "Stolen funds", "Replace the check", "The check stops 96 %", "训练数据缺少授权",
    ):  # fmt: skip
        assert squeezed(words) in squeezed(text), words
    pages = len(PdfReader(BytesIO(pdf)).pages)
    assert f"Page {pages} of {pages}" in text


def test_pdf_in_chinese_falls_back_where_only_english_exists(register, cast, history):
    text = squeezed(text_of(make_report(register, OCTOBER, "zh-hans", prepared_by=cast.manager, now=NOW)))

    for words in ("语音助手", "2026年10月", "声音被克隆", "检测可拦截96%", "训练数据缺少授权", "Costsrise"):
        assert words in text, words


def test_pdf_is_tagged_titled_and_bookmarked(register, cast, history):
    pdf = make_report(register, OCTOBER, "en", prepared_by=cast.manager, now=NOW)

    with pikepdf.open(BytesIO(pdf)) as document:
        assert bool(document.Root.MarkInfo.Marked)
        assert str(document.Root.Lang) == "en"
        assert str(document.docinfo.Title) == "Risk report October 2026: Voice assistant"
        with document.open_outline() as outline:
            titles = [item.title for item in outline.root]
    assert titles == [
        "Contents", "Summary", "What changed", "Top risks", "Late items and acceptances", "Full register",
        "Method and scales", "Sign-off",
    ]  # fmt: skip


def test_register_lies_across_and_the_rest_upright(register, cast, history):
    pdf = make_report(register, OCTOBER, "en", prepared_by=cast.manager, now=NOW)

    pages = PdfReader(BytesIO(pdf)).pages
    across = [page.extract_text() for page in pages if page.mediabox.width > page.mediabox.height]
    assert [text.splitlines()[0] for text in across] == ["Full register"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_embedded_fonts_are_ours_and_hold_every_character(register, cast, history, language):
    pdf = make_report(register, OCTOBER, language, prepared_by=cast.manager, now=NOW)

    names, empty = set(), []
    with pikepdf.open(BytesIO(pdf)) as document:
        for item in document.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/Subtype") == "/CIDFontType2":
                names.add(str(item.BaseFont).split("+")[-1].strip("/").split("-")[0])
                empty += [str(item.BaseFont)] if "/FontFile2" not in item.FontDescriptor else []
    assert names
    assert all(name.startswith("RiskReg") for name in names)
    assert empty == []
    assert "\ufffd" not in text_of(pdf)


def test_every_character_of_the_content_is_in_the_fonts(settings):
    folder = settings.BASE_DIR / "fixtures"
    content = {*"".join(path.read_text("utf-8") for path in folder.glob("*.yaml"))} - {"\n"}
    held = set()
    for path in (settings.BASE_DIR / "static" / "fonts").glob("*.ttf"):
        with TTFont(path) as font:
            held |= {chr(code) for code in font.getBestCmap()}

    assert content - held == set()


def test_awkward_texts_print(register, cast, make_risk, make_mitigation):
    at = datetime(2026, 10, 2, tzinfo=UTC)
    make_risk(title_en="🚀 Emoji and \x07\x08 control", residual=(5, 5), at=at)
    make_risk(title_en="סיכון בעברית", residual=(5, 5), at=at)
    make_risk(title_en=LONG[:200], cause_en=LONG, residual=(5, 5), at=at)
    lengthy = make_risk(event_en="Ten thousand characters. " * 400, residual=(5, 5), at=at)
    make_mitigation(lengthy, title_en=LONG[:300], due_date=date(2026, 10, 1))
    pdf = make_report(register, OCTOBER, "en", prepared_by=cast.manager, now=NOW)

    text = squeezed(text_of(pdf))
    assert "🚀Emojiandcontrol" in text
    assert LONG[:200] in text
    assert text.count("Tenthousandcharacters.") == 400
    assert len(PdfReader(BytesIO(pdf)).pages) < 20


def test_empty_register_prints(register, cast):
    text = text_of(make_report(register, OCTOBER, "en", prepared_by=cast.manager, now=NOW))

    assert "The register holds no active risk." in text
    assert "Nothing has changed since the month before." in text


def test_running_month_is_as_of_now(register, cast, make_risk):
    make_risk(residual=(4, 4))
    now = timezone.now()
    report = build_report(register, month_of(timezone.localdate()), "en", prepared_by=cast.manager, now=now)

    assert [str(row.residual) for row in report.rows] == ["▲ 8 High"]


# --- what it may fetch, and what it needs


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1/", "data:text/html,x"])
def test_nothing_but_fonts_and_own_pictures_is_fetched(url):
    with pytest.raises(ValueError, match="not a file of the report"):
        printer._fetcher().fetch(url)


def test_missing_pango_is_said_with_the_packages(monkeypatch, register, cast):
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(printer.PdfUnavailable, match=printer.PACKAGES.replace(".", r"\.")):
        printer.write_pdf("<html/>")


def test_system_check_warns_without_pango(monkeypatch):
    assert list(printer.check_libraries()) == []
    monkeypatch.setattr(printer, "_LIBRARIES", ("libnosuch-1.0.so.0",))
    (warning,) = printer.check_libraries()

    assert warning.id == "risks.W001"
    assert "libnosuch-1.0.so.0" in warning.msg
    assert printer.PACKAGES in warning.hint


def test_lateness_is_that_of_the_day_of_printing(build, history):
    assert [row.code for row in build().late_reviews] == ["VOICE-1"]
    assert [row.code for row in build(now=NOW + timedelta(days=1)).late_reviews] == ["VOICE-1", "VOICE-2"]

"""How values are written, in both languages."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import translation

from risks import formatting
from risks.models import MatrixLevel

NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (None, "", ""),
        (0, "0 %", "0%"),
        (0.00001, "0.001 %", "0.001%"),
        (0.0004, "0.04 %", "0.04%"),
        (0.003, "0.3 %", "0.3%"),
        (0.034, "3.4 %", "3.4%"),
        (0.07, "7 %", "7%"),
        (0.1, "10 %", "10%"),
        (0.347, "35 %", "35%"),
        (0.996, "100 %", "100%"),
        (1, "100 %", "100%"),
        (1.5, "150 %", "150%"),
    ],
)
def test_share_has_two_figures(value, english, chinese):
    with translation.override("en"):
        assert formatting.share(value) == english
    with translation.override("zh-hans"):
        assert formatting.share(value) == chinese


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (None, None, ""),
        (0.2, 0.5, "20–50 %"),
        (0, 0.02, "below 2 %"),
        (0.15, None, "above 15 %"),
        (0.003, 0.01, "0.3–1 %"),
    ],
)
def test_share_range_names_its_ends(low, high, text):
    assert formatting.share_range(low, high) == text


@pytest.mark.parametrize(
    ("amount", "english", "chinese"),
    [
        (None, "", ""),
        (0, "¥0", "¥0"),
        (7, "¥7", "¥7"),
        (Decimal("12.50"), "¥12.5", "¥12.5"),
        (999.9, f"¥1{NBSP}k", "¥1,000"),
        (1234, f"¥1.23{NBSP}k", "¥1,230"),
        (9_999, f"¥10{NBSP}k", "¥1万"),
        (123_456, f"¥123{NBSP}k", "¥12.3万"),
        (999_999, f"¥1{NBSP}m", "¥100万"),
        (10_000_000, f"¥10{NBSP}m", "¥1,000万"),
        (123_456_789, f"¥123{NBSP}m", "¥1.23亿"),
        (2_500_000_000, f"¥2.5{NBSP}bn", "¥25亿"),
    ],
)
def test_money_has_three_figures_and_the_units_of_the_language(amount, english, chinese):
    with translation.override("en"):
        assert formatting.money(amount, "CNY") == english
    with translation.override("zh-hans"):
        assert formatting.money(amount, "CNY") == chinese


@pytest.mark.parametrize(
    ("currency", "text"), [("USD", "$5"), ("HKD", "HK$5"), ("CHF", f"CHF{NBSP}5"), ("JPY", "JP¥5")]
)
def test_money_begins_with_its_currency(currency, text):
    assert formatting.money(5, currency) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0, 0.003, f"below ¥30{NBSP}k"),
        (0.003, 0.01, f"¥30{NBSP}k–¥100{NBSP}k"),
        (0.15, None, f"above ¥1.5{NBSP}m"),
    ],
)
def test_money_range_of_a_budget_names_its_ends(low, high, text):
    assert formatting.money_range(low, high, Decimal(10_000_000), "CNY") == text


def test_money_range_without_budget_is_a_share_range():
    assert formatting.money_range(0.003, 0.01, None, "CNY") == "0.3–1 %"


@pytest.mark.parametrize(
    ("share", "budget", "text"),
    [
        (0, Decimal(100), ""),
        (0.012, None, "1.2 % of the budget"),
        (0.012, Decimal(10_000_000), f"¥120{NBSP}k"),
    ],
)
def test_loss_is_money_where_there_is_a_budget(share, budget, text):
    assert formatting.loss(share, budget, "CNY") == text


@pytest.mark.parametrize(
    ("language", "day", "moment"),
    [("en", "3 Nov 2026", "3 Nov 2026, 14:05"), ("zh-hans", "2026年11月3日", "2026年11月3日 14:05")],
)
def test_dates_are_written_as_the_language_does(language, day, moment):
    at = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)

    with translation.override(language):
        assert (formatting.day(date(2026, 11, 3)), formatting.day(at)) == (day, day)
        assert formatting.moment(at) == moment


def test_dates_that_are_missing_are_empty():
    assert (formatting.day(None), formatting.moment(None)) == ("", "")


def test_day_of_a_moment_is_the_local_one(settings):
    settings.TIME_ZONE = "Asia/Shanghai"

    assert formatting.day(datetime(2026, 11, 3, 20, tzinfo=UTC)) == "4 Nov 2026"


def test_level_badge_tells_by_word_shape_and_number():
    level = MatrixLevel(level=3, name_en="High & rising", tone="orange")

    assert formatting.level_badge(level, 8) == (
        '<span class="level tone-orange"><span aria-hidden="true">▲</span> <b>8</b> High &amp; rising</span>'
    )
    assert formatting.level_badge(level) == (
        '<span class="level tone-orange"><span aria-hidden="true">▲</span> High &amp; rising</span>'
    )


@pytest.mark.parametrize(
    ("passed", "english", "chinese"),
    [
        (timedelta(seconds=-5), "just now", "刚刚"),
        (timedelta(seconds=59), "just now", "刚刚"),
        (timedelta(minutes=1), "1 minute ago", "1 分钟前"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago", "59 分钟前"),
        (timedelta(hours=1), "1 hour ago", "1 小时前"),
        (timedelta(hours=23, minutes=59), "23 hours ago", "23 小时前"),
        (timedelta(days=1), "1 day ago", "1 天前"),
        (timedelta(days=2, hours=14), "2 days ago", "2 天前"),
        (timedelta(days=8), "8 days ago", "8 天前"),
        (timedelta(days=29, hours=23), "29 days ago", "29 天前"),
        (timedelta(days=30), "25 Oct 2026", "2026年10月25日"),
    ],
)
def test_time_passed_has_one_unit(passed, english, chinese):
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        assert formatting.ago(now - passed) == english
        with translation.override("zh-hans"):
            assert formatting.ago(now - passed) == chinese


def test_label_ends_in_the_colon_of_the_language():
    assert formatting.labelled("Title", "Give one.") == "Title: Give one."
    with translation.override("zh-hans"):
        assert formatting.labelled("标题", "请填写。") == "标题：请填写。"

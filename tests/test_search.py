"""Full-text search: the same answers from both databases, and no input that breaks it."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risks.models import Register, Risk
from risks.models.search import count_risks, search_risks, words
from risks.services.search import rebuild_index
from tests.cast import Cast
from tests.rows import change

RISKS = {
    "noise": {"title_en": "Street noise ruins recognition", "title_zh": "街道噪声影响识别率"},
    "vendor": {"title_en": "Cloud vendor raises prices", "cause_en": "Single-vendor lock-in; NOT negotiable"},
    "privacy": {"title_zh": "语音数据泄露", "consequence_zh": "监管处罚，用户流失"},
    "straße": {"title_en": "STRASSE Größe naïve café", "event_en": "Q3-2026: error_rate > 5%"},
}


@pytest.fixture
def find(make_risk):
    """Which of the four risks a search finds, by their short names."""
    risks = {make_risk(title_en=values.get("title_en", ""), **without_title(values)).pk: name
             for name, values in RISKS.items()}  # fmt: skip
    return lambda text: {risks[risk.pk] for risk in search_risks(Risk.objects.filter(pk__in=risks), text)}


def without_title(values: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in values.items() if name != "title_en"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("noise", {"noise"}),
        ("NOISE", {"noise"}),
        ("reco", {"noise"}),  # the beginning of a word
        ("cognition", set()),  # not its end
        ("street recognition", {"noise"}),  # all terms, in any order and place
        ("recognition street", {"noise"}),
        ("street vendor", set()),
        ("single-vendor", {"vendor"}),
        ("single-lock", set()),  # joined words stand beside each other
        ("lock-in", {"vendor"}),
        ("噪声", {"noise"}),
        ("声影响", {"noise"}),  # any run of characters
        ("噪影", set()),
        ("街道 识别", {"noise"}),
        ("识别 街道", {"noise"}),
        ("语音", {"privacy"}),
        ("处罚，用户", {"privacy"}),  # across punctuation
        ("noise 噪声", {"noise"}),
        ("noise噪声", set()),
        ("straße", {"straße"}),
        ("strasse", {"straße"}),
        ("größe", {"straße"}),
        ("café", {"straße"}),
        ("cafe", set()),
        ("2026", {"straße"}),
        ("error rate", {"straße"}),
    ],
)
def test_search_finds_words_beginnings_and_runs(find, text, found):
    assert find(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("VOICE-2", {"vendor"}),
        ("voice-2", {"vendor"}),
        ("voice 2", {"vendor", "straße"}),  # two terms: the second begins 2026 too
        ("VOICE", {"noise", "vendor", "privacy", "straße"}),
        ("OTHER-1", set()),
    ],
)
def test_search_finds_codes(find, text, found):
    assert find(text) == found


def test_search_of_a_code_finds_those_that_begin_with_it(make_risk):
    codes = [make_risk().code for _ in range(12)]

    found = search_risks(Risk.objects.all(), "VOICE-1").order_by("number")

    assert [risk.code for risk in found] == [codes[0], *codes[9:]]


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_search_for_nothing_leaves_all(find, text):
    assert find(text) == set(RISKS)


@pytest.mark.parametrize("text", ['"', "*", "(", "&|!", "''", "--", "😀", "\x00", "، ؛", '" "', "_", "%"])
def test_search_for_signs_only_finds_nothing(find, text):
    assert find(text) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"noise', {"noise"}),
        ('noise"', {"noise"}),
        ('"street noise"', {"noise"}),
        ("noise*", {"noise"}),
        ("*noise", {"noise"}),
        ("(noise", {"noise"}),
        ("noise)", {"noise"}),
        ("^noise", {"noise"}),
        ("-noise", {"noise"}),
        ("+noise", {"noise"}),
        ("body:noise", set()),  # a column's name is a word
        ("NEAR(street noise, 2)", set()),
        ("AND", set()),
        ("street AND noise", set()),
        ("NOT", {"vendor"}),
        ("noise OR vendor", set()),
        ("noise & recognition", {"noise"}),
        ("noise | vendor", set()),
        ("!noise", {"noise"}),
        ("noise:*", {"noise"}),
        ("noise <-> street", {"noise"}),
        ("street<->noise", {"noise"}),
        ("'noise'; DROP TABLE risks_search; --", set()),
        ("noise\\", {"noise"}),
        ("no%ise", set()),
        ("n_ise", set()),
    ],
)
def test_search_operators_of_the_databases_are_plain_text(find, text, found):
    assert find(text) == found


def test_search_takes_a_page_of_text(find):
    assert find("noise " * 2_000) == {"noise"}
    assert find("噪声" * 2_000) == set()
    assert find("x" * 20_000) == set()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_search_for_any_text_answers(find, text):
    assert find(text) <= set(RISKS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(categories=["L", "N", "Zs", "Pd", "Po"], max_codepoint=0x2FFFF), max_size=30))
def test_search_for_a_title_finds_its_risk(make_risk, title):
    """Whatever is letters and digits for us is so for the databases too."""
    title = title.strip()
    if not words(title):
        return
    risk = make_risk(title_en=title)

    assert risk in search_risks(Risk.objects.filter(pk=risk.pk), title)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("VOICE-12", ["voice", "12"]),
        ("噪声noise2", ["噪", "声", "noise2"]),
        ("Q3_2026", ["q3", "2026"]),
        ("Straße", ["strasse"]),
        ("𠮷野家", ["𠮷", "野", "家"]),
        ("سلام", ["سلام"]),
        ("。！", []),
    ],
)
def test_words_are_runs_of_letters_and_single_chinese_characters(text, split):
    assert words(text) == split


def test_rebuild_index_finds_what_was_written_past_the_services(cast, make_risk):
    risk = make_risk(title_en="Echo")
    change(Risk.objects.filter(pk=risk.pk), title_en="Hum")
    assert list(search_risks(Risk.objects.all(), "hum")) == []

    assert rebuild_index() == 2

    assert list(search_risks(Risk.objects.all(), "hum")) == [risk]
    assert list(search_risks(Risk.objects.all(), "echo")) == []
    assert list(search_risks(Risk.objects.all(), "OTHER-1")) == [cast.other_risk]


@pytest.mark.parametrize("text", ["hum", "echo", "VOICE-1", "回声", "“", "", "hum echo"])
def test_count_from_the_index_is_the_count_of_what_is_found(
    cast: Cast, register: Register, make_risk: Callable[..., Risk], text: str
) -> None:
    make_risk(title_en="Echo in the hall")
    make_risk(title_en="Hum and echo", title_zh="回声过大")
    risks = Risk.objects.all()
    in_team = search_risks(risks.filter(team=cast.team), text).count() if text else 0
    assert count_risks(text, team_id=cast.team.pk) == in_team
    in_register = search_risks(risks.filter(register=cast.other_register), text).count() if text else 0
    assert count_risks(text, team_id=cast.other_team.pk, register_id=cast.other_register.pk) == in_register

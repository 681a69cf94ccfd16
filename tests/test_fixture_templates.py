"""The taxonomy and the template library are complete, consistent and say the same in both languages."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def load(file: str, key: str) -> list[dict[str, Any]]:
    return yaml.safe_load((FIXTURES / file).read_text("utf-8"))[key]


CATEGORIES = load("taxonomy.yaml", "categories")
TEMPLATES = load("templates.yaml", "templates")

SUBCATEGORIES = {
    "technical": ["research", "data"],
    "market": ["competition", "demand"],
    "operational": ["cost", "people"],
    "regulatory": ["privacy", "fairness"],
}
CODE_PREFIXES = {"technical": "TEC", "market": "MKT", "operational": "OPS", "regulatory": "REG"}
STRATEGIES = {"avoid", "reduce", "transfer", "share", "accept"}
MITIGATION_KINDS = {"prevention", "contingency", "transfer", "diversification"}
TEMPLATE_KEYS = {
    "code", "category", "subcategory", "title", "cause", "event", "consequence", "frequency", "impact",
    "strategy", "indicators", "mitigations", "references",
}  # fmt: skip
INDICATOR_KEYS = {"name", "unit", "amber", "red", "bad_when"}
LANGUAGES = {"en", "zh"}

HAN = r"[\u4e00-\u9fff]"
# Half-width punctuation that touches a Chinese character, and a space between two of them, are never meant.
BAD_CHINESE = re.compile(rf"{HAN}[,.;:!?()\"]|[,.;:!?()\"]{HAN}|{HAN}\s+{HAN}|\s$|^\s|\s\s")
DIGITS = re.compile(r"\d+(?:\.\d+)?")
ENGLISH_NUMBERS = {
    "twice": 2, "double": 2, "two": 2, "three": 3, "third": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "tenth": 10, "twelve": 12,
}  # fmt: skip
CHINESE_NUMERALS = dict(zip("两双二三四五六七八九十", [2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10], strict=True))
# A numeral counts something only before a measure word: 三个, 两家, but not 第三方.
COUNTED = re.compile(
    r"(?<!第)([两双三四五六七八九十])(?:个|家|人|名|年|天|周|小时|分钟|次|份|类|种|条|倍|项|方|分之)"
)


def texts(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every {en, zh} mapping below node, with a readable path to it."""
    if isinstance(node, dict):
        if node.keys() & LANGUAGES:
            yield path, node
        else:
            for key, value in node.items():
                yield from texts(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, f"{path}[{index}]")


def all_texts() -> list[tuple[str, dict[str, str]]]:
    found = [pair for category in CATEGORIES for pair in texts(category, category["key"])]
    return found + [pair for template in TEMPLATES for pair in texts(template, template["code"])]


def prose() -> list[tuple[str, dict[str, str]]]:
    """All texts except units, which may be a sign such as % in both languages."""
    return [(path, text) for path, text in all_texts() if not path.endswith(".unit")]


def digits(text: str) -> set[float]:
    return {float(number) for number in DIGITS.findall(re.sub(r"(?<=\d),(?=\d{3})", "", text))}


def english_numbers(text: str) -> set[float]:
    """Numbers an English text names, in digits or in words from two on."""
    words = re.findall(r"[a-z]+", text.lower())
    return digits(text) | {float(ENGLISH_NUMBERS[word]) for word in words if word in ENGLISH_NUMBERS}


def chinese_numbers(text: str) -> set[float]:
    """Numbers a Chinese text may mean: digits and every numeral."""
    return digits(text) | {float(CHINESE_NUMERALS[sign]) for sign in text if sign in CHINESE_NUMERALS}


def counted_numbers(text: str) -> set[float]:
    """Numbers a Chinese text certainly means: digits and numerals before a measure word."""
    return digits(text) | {float(CHINESE_NUMERALS[sign]) for sign in COUNTED.findall(text)}


def numbers_agree(text: dict[str, str]) -> bool:
    english = english_numbers(text["en"])
    return english <= chinese_numbers(text["zh"]) and counted_numbers(text["zh"]) <= english


each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template["code"])


def test_taxonomy_has_the_four_categories_in_order() -> None:
    assert {c["key"]: [s["key"] for s in c["subcategories"]] for c in CATEGORIES} == SUBCATEGORIES


def test_taxonomy_entries_are_complete() -> None:
    for category in CATEGORIES:
        assert category.keys() == {"key", "name", "description", "tone", "subcategories"}
        for subcategory in category["subcategories"]:
            assert subcategory.keys() == {"key", "name", "description", "response"}


def test_taxonomy_tones_are_distinct() -> None:
    assert sorted(category["tone"] for category in CATEGORIES) == ["blue", "green", "orange", "purple"]


def test_library_has_42_templates_with_unique_codes_and_titles() -> None:
    assert len(TEMPLATES) == 42
    assert len({template["code"] for template in TEMPLATES}) == 42
    for language in LANGUAGES:
        assert len({template["title"][language].casefold() for template in TEMPLATES}) == 42


def test_library_repeats_no_statement_or_mitigation() -> None:
    for language in LANGUAGES:
        told = [t[part][language] for t in TEMPLATES for part in ("cause", "event", "consequence")]
        told += [m["title"][language] for t in TEMPLATES for m in t["mitigations"]]
        assert [text for text, count in Counter(told).items() if count > 1] == []


def test_every_subcategory_has_three_templates_or_more() -> None:
    counts = Counter((template["category"], template["subcategory"]) for template in TEMPLATES)
    expected = {(category, key) for category, keys in SUBCATEGORIES.items() for key in keys}
    assert counts.keys() == expected
    assert min(counts.values()) >= 3


@each_template
def test_template_has_the_known_keys(template: dict[str, Any]) -> None:
    assert template.keys() == TEMPLATE_KEYS
    assert re.fullmatch(CODE_PREFIXES[template["category"]] + r"-\d\d", template["code"])
    assert template["strategy"] in STRATEGIES
    for part in ("title", "cause", "event", "consequence"):
        assert template[part].keys() == LANGUAGES


@each_template
def test_template_frequency_is_an_ordered_plausible_range(template: dict[str, Any]) -> None:
    frequency = template["frequency"]
    assert frequency.keys() == {"kind", "low", "high", "reason"}
    ceiling = {"probability": 1, "rate": 12}[frequency["kind"]]
    assert 0 < frequency["low"] < frequency["high"] <= ceiling


@each_template
def test_template_impact_is_an_ordered_share_of_the_budget(template: dict[str, Any]) -> None:
    impact = template["impact"]
    assert impact.keys() == {"low", "likely", "high", "reason"}
    assert 0 < impact["low"] < impact["likely"] < impact["high"] <= 1


@each_template
def test_template_indicators_reach_amber_before_red(template: dict[str, Any]) -> None:
    assert template["indicators"]
    for indicator in template["indicators"]:
        assert indicator.keys() == INDICATOR_KEYS
        assert indicator["unit"].keys() == LANGUAGES
        towards_bad = {"above": 1, "below": -1}[indicator["bad_when"]]
        assert (indicator["red"] - indicator["amber"]) * towards_bad > 0


@each_template
def test_template_indicators_never_warn_at_their_best_value(template: dict[str, Any]) -> None:
    """A reading at a threshold crosses it: 100 % from below or 0 from above would always warn."""
    for indicator in template["indicators"]:
        if indicator["bad_when"] == "above":
            assert indicator["amber"] > 0
        elif indicator["unit"]["en"] == "%":
            assert indicator["amber"] < 100


@each_template
def test_template_mitigations_cover_the_four_kinds(template: dict[str, Any]) -> None:
    assert {mitigation["kind"] for mitigation in template["mitigations"]} == MITIGATION_KINDS
    for mitigation in template["mitigations"]:
        trigger = {"trigger"} if mitigation["kind"] == "contingency" else set()
        assert mitigation.keys() == {"kind", "title"} | trigger


@each_template
def test_template_contingency_trigger_names_a_red_threshold(template: dict[str, Any]) -> None:
    reds = {abs(float(indicator["red"])) for indicator in template["indicators"]}
    for mitigation in template["mitigations"]:
        if mitigation["kind"] == "contingency":
            assert reds & digits(mitigation["trigger"]["en"]), (reds, mitigation["trigger"]["en"])


@each_template
def test_template_references_name_source_label_and_items(template: dict[str, Any]) -> None:
    references = template["references"]
    sources = [reference["source"] for reference in references]
    assert len(set(sources)) == len(sources) > 0
    for reference in references:
        assert reference.keys() == {"source", "label", "items"}
        assert reference["label"]
        assert all(isinstance(item, str) and item for item in reference["items"])


def test_reference_labels_are_one_per_source() -> None:
    labels = {(r["source"], r["label"]) for t in TEMPLATES for r in t["references"]}
    assert len(labels) == len({source for source, _ in labels})


def test_reference_items_exist_in_their_frameworks() -> None:
    patterns = {
        "nist_ai_rmf": r"(GOVERN [1-6]|MAP [1-5]|MEASURE [1-4]|MANAGE [1-4])\.\d{1,2}",
        "iso_42001": r"A\.([2-9]|10)\.\d(\.\d)?|([4-9]|10)\.\d(\.\d)?",
        "owasp_llm": r"LLM(0[1-9]|10):2025",
        "mit_ai_risk": r"[1-7]\.[1-6]",
    }
    laws = r"Art\. \d+(–\d+)?|Annex [IVX]+"
    odd = [
        (template["code"], item)
        for template in TEMPLATES
        for reference in template["references"]
        for item in reference["items"]
        if not re.fullmatch(patterns.get(reference["source"], laws), item)
    ]
    assert odd == []


def test_texts_exist_in_both_languages() -> None:
    assert [path for path, text in all_texts() if text.keys() != LANGUAGES or not all(text.values())] == []


def test_english_texts_contain_no_chinese_and_chinese_texts_some() -> None:
    assert [path for path, text in all_texts() if re.search(HAN, text["en"])] == []
    assert [path for path, text in prose() if not re.search(HAN, text["zh"])] == []


def test_template_texts_start_with_a_capital_and_end_without_a_stop() -> None:
    categories = tuple(SUBCATEGORIES)
    written = [(path, text) for path, text in prose() if not path.startswith(categories)]
    assert [path for path, text in written if text["en"][0].islower() or text["en"].endswith(".")] == []
    assert [path for path, text in written if text["zh"].endswith("。")] == []


def test_chinese_texts_use_full_width_punctuation_and_no_stray_spaces() -> None:
    assert [(path, text["zh"]) for path, text in all_texts() if BAD_CHINESE.search(text["zh"])] == []


def test_numbers_agree_between_the_languages() -> None:
    assert [(path, text) for path, text in prose() if not numbers_agree(text)] == []


@pytest.mark.parametrize(
    ("english", "chinese", "agree"),
    [
        ("Within 48 hours", "48小时内", True),
        ("Within two weeks", "两周内", True),
        ("An independent third party", "独立的第三方", True),
        ("5 in 10,000 outputs", "每10000条中有5条", True),
        ("Within 48 hours", "24小时内", False),
        ("Within two weeks", "三周内", False),
        ("Within weeks", "三周内", False),
        ("Within 10 days", "数日内", False),
    ],
)
def test_numbers_agree_when_texts_match_or_drift_tells(english: str, chinese: str, agree: bool) -> None:
    assert numbers_agree({"en": english, "zh": chinese}) is agree

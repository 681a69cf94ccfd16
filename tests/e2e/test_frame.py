"""The frame as it is laid out: where one is, and cards and buttons that keep to their size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

IS_CUT = "element => element.scrollWidth > element.clientWidth"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_team_and_register_are_shown_in_full(open_as: Callable[..., Page], width: int, language: str) -> None:
    page = open_as("reader", width=width, language=language)
    page.goto("/t/demo/?register=VISION")
    for part in ("team", "register"):
        name = page.locator(f".switcher-{part}")
        assert name.is_visible()
        assert name.evaluate(IS_CUT) is False


@pytest.mark.parametrize("width", [1280, 390])
def test_cards_of_own_data_are_as_tall_as_what_they_say(open_as: Callable[..., Page], width: int) -> None:
    page = open_as("reader", width=width)
    page.goto("/me/data/")
    first, second = (card.bounding_box() for card in page.locator("main > .card").all())
    assert first
    assert second
    assert max(first["height"], second["height"]) < 300
    assert second["y"] - (first["y"] + first["height"]) == 16


def test_way_to_a_past_day_lines_up_with_its_neighbours(open_as: Callable[..., Page]) -> None:
    page = open_as("manager")
    page.goto("/t/demo/risks/VISION-3/")
    boxes = [page.locator(name).bounding_box() for name in (".as-of > summary", "#act-edit")]
    places = [(box["y"], box["height"]) for box in boxes if box]
    assert len(places) == 2
    assert places[0] == places[1]

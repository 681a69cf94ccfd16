"""Two people change the same thing: what only one of them changed is kept, what both did is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from risks.forms.merge import differences
from risks.models import AuditEvent, Indicator, Mitigation, Risk
from risks.services.merge import merge, print_of
from risks.services.mitigation import (
    add_indicator,
    delete_mitigation,
    update_indicator,
    update_mitigation,
)
from risks.services.risk import bulk_update_risks, update_risk
from risks.services.team import update_register
from risks.views import mitigation as mitigation_views
from tests.browser import answer_to, form_of
from tests.cast import Cast

# --- three versions become one

TEXTS = st.dictionaries(
    st.sampled_from("abcdef"), st.sampled_from(["", "x", "y", "z"]), min_size=6, max_size=6
)
PARTS = (("a",), ("b",), ("c", "d"), ("e",), ("f",))


@given(TEXTS, TEXTS, TEXTS)
def test_merge_loses_nothing_that_either_changed(
    base: dict[str, str], now: dict[str, str], typed: dict[str, str]
) -> None:
    found = merge(PARTS, seen={k: print_of(v) for k, v in base.items()}, now=now, typed=typed)
    for part in PARTS:
        before, theirs, mine = ([values[name] for name in part] for values in (base, now, typed))
        outcome = (set(part) <= found.mine, part in found.kept, part in found.asked)
        if mine == theirs:
            assert outcome == (False, False, False)
        elif mine == before:
            assert outcome == (False, True, False)
        elif theirs == before:
            assert outcome == (True, False, False)
        else:
            assert outcome == (False, False, True)


@given(TEXTS, TEXTS)
def test_merge_with_what_nobody_knows_asks_for_every_difference(
    now: dict[str, str], typed: dict[str, str]
) -> None:
    found = merge(PARTS, seen={}, now=now, typed=typed)
    different = tuple(part for part in PARTS if any(now[name] != typed[name] for name in part))
    assert (found.mine, found.kept, found.asked) == (frozenset(), (), different)


@given(TEXTS, TEXTS, TEXTS)
def test_merge_after_choosing_theirs_writes_nothing_of_it(
    base: dict[str, str], now: dict[str, str], typed: dict[str, str]
) -> None:
    seen = {k: print_of(v) for k, v in base.items()}
    found = merge(PARTS, seen=seen, now=now, typed=typed, theirs=list("abcdef"))
    assert (found.mine, found.asked) == (frozenset(), ())


def test_line_ends_of_a_browser_are_no_change() -> None:
    assert print_of("one\r\ntwo ") == print_of("one\ntwo")
    assert print_of("one") != print_of("two")


def test_differences_are_marked_and_escaped() -> None:
    assert differences("a <b> dog", "a <b> cat") == "a &lt;b&gt; <mark>dog</mark>"
    assert differences("供应商停止服务", "供应商涨价") == "供应商<mark>停止服务</mark>"
    long = "One sentence. " * 2000
    assert differences(long + "Mine.", long + "Theirs.").endswith("<mark> Mine.</mark>")


# --- the four forms


@pytest.fixture
def risk(cast: Cast, make_risk: Callable[..., Risk]) -> Risk:
    return make_risk(
        title_en="Noise", cause_en="Little data", owner=cast.owner, next_review_date="2030-01-01"
    )


@pytest.fixture
def mitigation(risk: Risk, make_mitigation: Callable[..., Mitigation]) -> Mitigation:
    return make_mitigation(risk)


@pytest.fixture
def indicator(risk: Risk, cast: Cast) -> Indicator:
    row = Indicator(risk=risk, name_en="Errors", unit_en="%", amber=1, red=2)
    return add_indicator(row, by=cast.actor(cast.manager))


EDIT = "/t/acme/risks/VOICE-1/edit/"


def toasts(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def saved(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def test_risk_fields_changed_by_different_people_are_all_kept(cast: Cast, risk: Risk) -> None:
    client = cast.client_for(cast.owner)
    data = form_of(client, EDIT, title_en="Mine")
    theirs = {"owner": cast.manager, "next_review_date": "2031-02-03"}
    update_risk(risk, {"cause_en": "First"}, by=cast.actor(cast.administrator))
    update_risk(risk, theirs, by=cast.actor(cast.manager))
    update_risk(risk, {"owner": cast.owner}, by=cast.actor(cast.manager))
    answer = client.post(EDIT, data)
    assert answer.status_code == 302
    now = saved(risk)
    assert (now.title_en, now.cause_en, str(now.next_review_date), now.owner) == (
        "Mine", "First", "2031-02-03", cast.owner,
    )  # fmt: skip
    assert toasts(answer) == [
        "Administrator changed this meanwhile, and it is kept: Cause.",
        "Manager changed this meanwhile, and it is kept: Next review.",
        "Saved.",
    ]
    assert AuditEvent.objects.latest("id").changes == {"title_en": ["Noise", "Mine"]}


def test_risk_field_changed_by_both_is_asked_and_nothing_is_lost(cast: Cast, risk: Risk) -> None:
    client = cast.client_for(cast.owner)
    data = form_of(client, EDIT, title_en="Mine", event_en="My event", cause_en="Hardly any data")
    update_risk(
        risk, {"title_en": "Theirs", "strategy": "avoid", "cause_en": "Too little data"},
        by=cast.actor(cast.manager),
    )  # fmt: skip
    page = client.post(EDIT, data)
    assert page.status_code == 409
    assert saved(risk).title_en == "Theirs"
    clashes = page.context["form"].clashes
    assert [(each.label, each.who, each.theirs) for each in clashes] == [
        ("Title", "Manager", [("", "<mark>Theirs</mark>")]),
        ("Cause", "Manager", [("", "<mark>Too</mark> <mark>little</mark> data")]),
    ]
    assert clashes[1].mine == "<mark>Hardly</mark> <mark>any</mark> data"
    assert "Manager changed this meanwhile, and it is kept: Strategy." in page.text
    assert 'value="Mine"' in page.text
    answer = client.post(EDIT, answer_to(page, choose_title_en="theirs", cause_en="No data"))
    assert answer.status_code == 302
    now = saved(risk)
    assert (now.title_en, now.cause_en, now.event_en, now.strategy) == (
        "Theirs", "No data", "My event", "avoid",
    )  # fmt: skip


def test_risk_field_changed_by_both_to_the_same_is_no_conflict(cast: Cast, risk: Risk) -> None:
    client = cast.client_for(cast.owner)
    data = form_of(client, EDIT, title_en="Same")
    update_risk(risk, {"title_en": "Same"}, by=cast.actor(cast.manager))
    answer = client.post(EDIT, data)
    assert (answer.status_code, toasts(answer)) == (302, ["Saved."])
    assert saved(risk).version == 2


def test_risk_changed_again_while_one_chooses_asks_again(cast: Cast, risk: Risk) -> None:
    client, by = cast.client_for(cast.owner), cast.actor(cast.manager)
    data = form_of(client, EDIT, event_en="Mine")
    update_risk(risk, {"event_en": "Theirs"}, by=by)
    page = client.post(EDIT, data)
    update_risk(risk, {"event_en": "Theirs again", "cause_en": "Their cause"}, by=by)
    again = client.post(EDIT, answer_to(page))
    assert again.status_code == 409
    assert [each.name for each in again.context["form"].clashes] == ["event_en"]
    assert client.post(EDIT, answer_to(again)).status_code == 302
    assert (saved(risk).event_en, saved(risk).cause_en) == ("Mine", "Their cause")


def test_theirs_chosen_but_changed_again_takes_the_newest(cast: Cast, risk: Risk) -> None:
    client, by = cast.client_for(cast.owner), cast.actor(cast.manager)
    data = form_of(client, EDIT, event_en="Mine")
    update_risk(risk, {"event_en": "Theirs"}, by=by)
    page = client.post(EDIT, data)
    update_risk(risk, {"event_en": "Newest"}, by=by)
    answer = client.post(EDIT, answer_to(page, choose_event_en="theirs"))
    assert (answer.status_code, saved(risk).event_en) == (302, "Newest")


def test_numbers_that_mean_something_together_are_asked_together(cast: Cast, risk: Risk) -> None:
    update_risk(risk, {"frequency_low": 0.1, "frequency_high": 0.2}, by=cast.actor(cast.manager))
    client = cast.client_for(cast.owner)
    data = form_of(client, EDIT, frequency_high="30")
    theirs = {"frequency_kind": "rate", "frequency_low": 1, "frequency_high": 2}
    update_risk(risk, theirs, by=cast.actor(cast.manager))
    page = client.post(EDIT, data)
    assert page.status_code == 409
    (clash,) = page.context["form"].clashes
    assert clash.label == "Frequency as, Frequency from, Frequency to"
    assert [words for _label, words in clash.theirs][1:] == ["1.0", "2.0"]
    client.post(EDIT, answer_to(page))
    assert (saved(risk).frequency_low, saved(risk).frequency_high) == (0.1, 0.3)
    assert saved(risk).frequency_kind == "probability"


def test_number_that_cannot_be_typed_exactly_is_not_written_anew(cast: Cast, risk: Risk) -> None:
    third = {"frequency_low": 1 / 3, "frequency_high": 2 / 3}
    update_risk(risk, third, by=cast.actor(cast.manager))
    client = cast.client_for(cast.owner)
    client.post(EDIT, form_of(client, EDIT, title_en="Mine"))
    assert (saved(risk).title_en, saved(risk).frequency_low) == ("Mine", 1 / 3)


def test_merged_values_that_contradict_each_other_are_refused_at_the_field(
    cast: Cast, mitigation: Mitigation
) -> None:
    client, url = cast.client_for(cast.owner), f"/t/acme/mitigations/{mitigation.pk}/"
    data = form_of(client, url, start_date="2030-05-01", title_en="Mine")
    update_mitigation(mitigation, {"due_date": "2030-04-01"}, by=cast.actor(cast.manager))
    page = client.post(url, data)
    assert page.status_code == 422
    assert list(page.context["form"].errors) == ["due_date"]
    assert "Manager changed this meanwhile, and it is kept: Due." in page.text
    assert 'value="Mine"' in page.text
    again = {**form_of(client, url), "due_date": "2030-06-01", "start_date": "2030-05-01"}
    assert client.post(url, again).status_code == 302


FORMS = {
    "risk": ("risk", EDIT, "title_en", "owner"),
    "mitigation": ("mitigation", "/t/acme/mitigations/{pk}/", "title_en", "owner"),
    "indicator": ("indicator", "/t/acme/risks/VOICE-1/indicators/{pk}/", "name_en", "owner"),
    "register": ("register", "/t/acme/registers/VOICE/edit/", "name_en", "administrator"),
}
TARGETS = {"mitigation": "mitigation-section", "indicator": "dialog"}


class Both:
    """One of the four forms, opened by one person and saved meanwhile by another."""

    def __init__(self, name: str, request: Any, cast: Cast) -> None:
        fixture, address, self.field, role = FORMS[name]
        self.row = request.getfixturevalue(fixture)
        self.url = address.format(pk=self.row.pk)
        self.client: Client = cast.client_for(getattr(cast, role))
        change = {
            "risk": update_risk, "mitigation": update_mitigation, "indicator": update_indicator,
            "register": update_register,
        }[name]  # fmt: skip
        by = cast.actor(cast.administrator)
        self.save: Callable[..., Any] = lambda **values: change(self.row, values, by=by)
        self.headers = {"HX-Request": "true", "HX-Target": TARGETS[name]} if name in TARGETS else {}


@pytest.fixture(params=FORMS)
def both(request: pytest.FixtureRequest, cast: Cast, risk: Risk) -> Both:
    return Both(request.param, request, cast)


def english(field: str) -> str:
    return field.removesuffix("_en") + "_zh"


@pytest.mark.parametrize("htmx", [False, True])
def test_form_of_each_kind_merges(both: Both, htmx: bool) -> None:
    headers = both.headers if htmx else {}
    data = form_of(both.client, both.url, **{both.field: "Mine"})
    both.save(**{english(both.field): "另一个"})
    answer = both.client.post(both.url, data, headers=headers)
    assert answer.status_code in (200, 302)
    now = saved(both.row)
    assert (getattr(now, both.field), getattr(now, english(both.field)), now.version) == ("Mine", "另一个", 3)


@pytest.mark.parametrize("htmx", [False, True])
def test_form_of_each_kind_asks(both: Both, htmx: bool) -> None:
    headers = both.headers if htmx else {}
    data = form_of(both.client, both.url, **{both.field: "Mine"})
    both.save(**{both.field: "Theirs"})
    page = both.client.post(both.url, data, headers=headers)
    assert page.status_code == 409
    assert getattr(saved(both.row), both.field) == "Theirs"
    assert "As Administrator saved it" in page.text
    assert both.client.post(both.url, answer_to(page), headers=headers).status_code in (200, 302)
    assert getattr(saved(both.row), both.field) == "Mine"


@pytest.mark.parametrize("seen", [None, "", "x", "x" * 5000, "a\x00b"])
def test_form_without_a_version_is_refused_and_asks_for_every_difference(
    both: Both, seen: str | None
) -> None:
    data = form_of(both.client, both.url, **{both.field: "Mine"})
    data.pop("seen")
    before = getattr(saved(both.row), both.field)
    page = both.client.post(both.url, data if seen is None else data | {"seen": seen})
    assert page.status_code == 422
    assert "It is not known which version this form was made from." in page.text
    assert [each.name for each in page.context["form"].clashes] == [both.field]
    assert getattr(saved(both.row), both.field) == before
    assert both.client.post(both.url, answer_to(page)).status_code == 302
    assert getattr(saved(both.row), both.field) == "Mine"


def test_mark_of_one_row_is_none_for_another(cast: Cast, risk: Risk, make_risk: Callable[..., Risk]) -> None:
    make_risk(owner=cast.owner, title_en="Noise")
    client = cast.client_for(cast.owner)
    data = form_of(client, "/t/acme/risks/VOICE-2/edit/", title_en="Mine")
    assert client.post(EDIT, data).status_code == 422


def test_field_that_is_not_sent_stays_as_it_is(both: Both) -> None:
    seen = form_of(both.client, both.url)["seen"]
    before = {name: value for name, value in vars(saved(both.row)).items() if not name.startswith("_")}
    assert both.client.post(both.url, {"seen": seen}).status_code == 302
    now = saved(both.row)
    assert {name: getattr(now, name) for name in before} == before


def test_row_that_is_gone_meanwhile_answers_with_a_sentence(
    cast: Cast, mitigation: Mitigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, url = cast.client_for(cast.owner), f"/t/acme/mitigations/{mitigation.pk}/"
    data = form_of(client, url, title_en="Mine")
    monkeypatch.setattr(mitigation_views, "get_mitigation_or_404", lambda *_: mitigation)
    delete_mitigation(saved(mitigation), by=cast.actor(cast.manager))
    page = client.post(url, data)
    assert page.status_code == 409
    assert "Somebody else has deleted this meanwhile." in page.text


def test_merging_costs_no_query_more_when_nobody_else_changed(
    cast: Cast, risk: Risk, count_queries: Callable[..., int]
) -> None:
    client = cast.client_for(cast.owner)
    first = form_of(client, EDIT, title_en="One")
    alone = count_queries(lambda: client.post(EDIT, first))
    second = form_of(client, EDIT, title_en="Two")
    update_risk(risk, {"cause_en": "Theirs"}, by=cast.actor(cast.manager))
    assert count_queries(lambda: client.post(EDIT, second)) == alone + 1


# --- many at once


def test_bulk_change_of_a_risk_changed_since_it_was_ticked_is_refused(
    cast: Cast, risk: Risk, make_risk: Callable[..., Risk]
) -> None:
    other = make_risk()
    client, url = cast.client_for(cast.manager), "/t/acme/risks/bulk/"
    ticked = {"risk": [risk.pk, other.pk]}
    seen = client.post(url, ticked).context["seen"]
    bulk_update_risks([risk.pk], {"owner": cast.administrator}, by=cast.actor(cast.administrator))
    data = ticked | {"step": "save", "owner": cast.manager.pk, "seen": seen}
    page = client.post(url, data)
    assert page.status_code == 409
    assert "VOICE-1" in page.text
    assert (saved(risk).owner, saved(other).owner) == (cast.administrator, None)
    again = client.post(url, data | {"seen": page.context["seen"]})
    assert again.status_code == 302
    assert (saved(risk).owner, saved(other).owner) == (cast.manager, cast.manager)


def test_bulk_change_without_a_version_is_refused(cast: Cast, risk: Risk) -> None:
    client, url = cast.client_for(cast.manager), "/t/acme/risks/bulk/"
    page = client.post(url, {"risk": risk.pk, "step": "save", "owner": "none"})
    assert page.status_code == 422
    assert "It is not known which version" in page.text
    assert saved(risk).owner == cast.owner

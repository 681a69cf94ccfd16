"""Pages of a team's settings and members, of new teams and of the profile."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from risks.enums import DEFAULT_DELIVERY, Delivery, NoticeKind, Role, Verb
from risks.models import AuditEvent, Membership, Risk, Team, User
from risks.queries.movement import month_end
from risks.services.discussion import add_comment
from risks.services.membership import change_role, deactivate
from risks.services.tally import month_of
from tests.cast import Cast
from tests.rows import create

SETTINGS = "/t/acme/settings/"
MEMBERS = SETTINGS + "members/"
HTMX = {"HX-Request": "true", "HX-Target": "members"}


def _url(user: User, page: str) -> str:
    return f"{MEMBERS}{user.memberships.get(team__slug='acme').pk}/{page}/"


# --- who may see and do what


@pytest.mark.parametrize("page", ["", "members/", "leave/"])
@pytest.mark.parametrize("role", ["reader", "contributor", "manager", "administrator"])
def test_settings_are_open_to_every_member(cast: Cast, role: str, page: str) -> None:
    assert cast.client_for(cast.members[role]).get(SETTINGS + page).status_code == 200


@pytest.mark.parametrize("page", ["", "members/", "leave/", "invitations/"])
def test_settings_of_another_team_are_not_found(cast: Cast, page: str) -> None:
    assert cast.client_for(cast.outsider).get(SETTINGS + page).status_code == 404
    assert Client().get(SETTINGS + page).headers["Location"] == f"/accounts/login/?next={SETTINGS}{page}"


@pytest.mark.parametrize("role", ["reader", "contributor", "manager"])
def test_others_see_members_but_change_none(cast: Cast, role: str) -> None:
    client = cast.client_for(cast.members[role])
    page = client.get(MEMBERS)
    reason = "Only an administrator of the team can do this."

    assert "owner@acme.example" in page.text
    assert f'disabled title="{reason}"' in page.text
    assert "/role/" not in page.text
    for act in ("role", "deactivate", "reactivate", "hand-over", "forget"):
        assert client.post(_url(cast.owner, act), {"role": "manager"}).status_code == 403
    assert client.post(SETTINGS, {"name_en": "Mine"}).status_code == 403
    assert cast.owner.memberships.get().role == Role.CONTRIBUTOR


@pytest.mark.parametrize("act", ["role", "deactivate", "reactivate", "hand-over", "forget"])
def test_members_of_another_team_are_not_found(cast: Cast, act: str) -> None:
    number = cast.reader.memberships.get().pk
    outsider = cast.client_for(cast.outsider)

    assert outsider.post(_url(cast.reader, act)).status_code == 404
    assert outsider.post(f"/t/other/settings/members/{number}/{act}/").status_code == 404
    for wrong in (0, 99999999999999999999999):
        assert cast.client_for(cast.administrator).post(f"{MEMBERS}{wrong}/{act}/").status_code == 404


def test_only_administrators_see_sign_ins_and_second_factors(cast: Cast) -> None:
    assert "Last sign-in" in cast.client_for(cast.administrator).get(MEMBERS).text
    assert "Last sign-in" not in cast.client_for(cast.manager).get(MEMBERS).text


# --- the list


def test_member_list_shows_what_each_owns(cast: Cast, make_risk, make_mitigation) -> None:
    risk = make_risk(owner=cast.owner)
    make_risk(owner=cast.owner, state="closed")
    make_mitigation(risk, owner=cast.owner)
    make_mitigation(risk, owner=cast.owner, state="done")
    Authenticator.objects.create(user=cast.owner, type=Authenticator.Type.RECOVERY_CODES, data={})
    Authenticator.objects.create(user=cast.reader, type=Authenticator.Type.TOTP, data={})
    rows = {
        each.user.name: each for each in cast.client_for(cast.administrator).get(MEMBERS).context["active"]
    }

    assert [
        (each.risks_number, each.mitigations_number, each.has_second_factor)
        for each in (rows["Owner"], rows["Reader"])
    ] == [(1, 1, False), (0, 0, True)]


def test_member_list_has_the_same_queries_at_5_and_35(cast: Cast, make_risk, count_queries) -> None:
    client = cast.client_for(cast.administrator)
    client.get(MEMBERS)
    few = count_queries(lambda: client.get(MEMBERS))
    for number in range(30):
        person = User.objects.create_user(f"p{number}@acme.example")
        create(Membership, team=cast.team, user=person, role="contributor", is_active=number % 2 == 0)
        make_risk(owner=person)
    assert count_queries(lambda: client.get(MEMBERS)) == few
    assert few <= 12


def test_members_who_left_stand_below(cast: Cast) -> None:
    deactivate(cast.owner.memberships.get(), by=cast.actor(cast.administrator))
    page = cast.client_for(cast.administrator).get(MEMBERS)

    assert [each.user for each in page.context["inactive"]] == [cast.owner]
    assert "Have left" in page.text


@pytest.mark.parametrize(
    ("query", "names"), [("OWN", ["Owner"]), ("reader@", ["Reader"]), ("zzz", []), ("a\0", ["Contributor"])]
)
def test_member_is_found_by_name_or_address(cast: Cast, query: str, names: list[str]) -> None:
    page = cast.client_for(cast.administrator).get(MEMBERS, {"q": query})
    found = [each.user.name for each in page.context["active"]]

    assert found == names if query != "a\0" else set(names) <= set(found)


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 30])
def test_member_list_stands_any_page(cast: Cast, page: str) -> None:
    assert cast.client_for(cast.administrator).get(MEMBERS, {"page": page}).status_code == 200


# --- acts


def test_role_is_changed_plain_and_by_htmx(cast: Cast) -> None:
    client = cast.client_for(cast.administrator)
    plain = client.post(_url(cast.reader, "role"), {"role": "contributor"})
    assert plain.headers["Location"] == MEMBERS
    partial = client.post(_url(cast.reader, "role"), {"role": "manager"}, headers=HTMX)

    assert partial.text.lstrip().startswith('<div id="members"')
    assert "Reader: Manager." in partial.headers["HX-Trigger"]
    assert cast.reader.memberships.get().role == Role.MANAGER


@pytest.mark.parametrize("role", ["", "root", "a\0", "x" * 1000])
def test_role_that_does_not_exist_is_refused(cast: Cast, role: str) -> None:
    answer = cast.client_for(cast.administrator).post(_url(cast.reader, "role"), {"role": role})

    assert answer.status_code == 422
    assert cast.reader.memberships.get().role == Role.READER


def test_last_administrator_is_told_why_the_role_stays(cast: Cast) -> None:
    client, address = cast.client_for(cast.administrator), _url(cast.administrator, "role")
    page = client.get(MEMBERS).text
    plain = client.post(address, {"role": "reader"})
    htmx = client.post(address, {"role": "reader"}, headers=HTMX)
    why = "A team needs an administrator. Make another member administrator first."

    assert address not in page
    assert f'<button class="btn btn-sm" type="button" disabled title="{why}">Change</button>' in page
    assert plain.status_code == 403
    assert re.findall("<h1>(.*?)</h1>|<p>([A].*?)</p>", plain.text) == [
        ("This is not allowed", ""),
        ("", why),
    ]
    assert htmx.status_code == 422
    assert json.loads(htmx["HX-Trigger"]) == {"toasts": [{"text": why, "level": "error"}]}
    assert "<option>Administrator</option>" in htmx.text


def test_one_of_two_administrators_can_be_changed(cast: Cast) -> None:
    change_role(cast.owner.memberships.get(), "administrator", by=cast.actor(cast.administrator))
    page = cast.client_for(cast.administrator).get(MEMBERS).text

    assert _url(cast.administrator, "role") in page


def test_deactivate_page_shows_what_is_left_behind(cast: Cast, make_risk, make_mitigation) -> None:
    risk = make_risk(
        owner=cast.owner, title_en="To look after", next_review_date=timezone.localdate() - timedelta(days=1)
    )
    make_mitigation(risk, owner=cast.owner, title_en="To be done")
    page = cast.client_for(cast.administrator).get(_url(cast.owner, "deactivate"))

    for words in ("To look after", "To be done", "1 review is due", "Manager"):
        assert words in page.text
    choices = page.context["form"].fields["successor"].queryset
    assert set(choices) == {cast.contributor, cast.manager, cast.administrator}
    assert cast.owner.memberships.get().is_active


def test_deactivate_page_has_the_same_queries_at_1_and_30(cast: Cast, make_risk, count_queries) -> None:
    client = cast.client_for(cast.administrator)
    make_risk(owner=cast.owner)
    client.get(_url(cast.owner, "deactivate"))
    few = count_queries(lambda: client.get(_url(cast.owner, "deactivate")))
    for _ in range(29):
        make_risk(owner=cast.owner, state="accepted")
    assert count_queries(lambda: client.get(_url(cast.owner, "deactivate"))) == few


def test_member_is_deactivated_and_hands_over(cast: Cast, make_risk) -> None:
    risk = make_risk(owner=cast.owner)
    client = cast.client_for(cast.administrator)
    answer = client.post(_url(cast.owner, "deactivate"), {"successor": cast.manager.pk}, follow=True)

    assert "Owner is no longer a member. Manager owns 1 thing more." in answer.text
    assert Risk.objects.get(pk=risk.pk).owner == cast.manager
    assert cast.owner.memberships.get().is_active is False


@pytest.mark.parametrize("successor", ["999999999999999999999", "x", "a\0", "reader"])
def test_successor_who_cannot_be_one_is_refused(cast: Cast, make_risk, successor: str) -> None:
    make_risk(owner=cast.owner)
    value = str(cast.reader.pk) if successor == "reader" else successor
    answer = cast.client_for(cast.administrator).post(_url(cast.owner, "deactivate"), {"successor": value})

    assert answer.status_code == 422
    assert cast.owner.memberships.get().is_active


def test_hand_over_alone_keeps_the_member(cast: Cast, make_risk) -> None:
    make_risk(owner=cast.owner)
    client, page = cast.client_for(cast.administrator), _url(cast.owner, "hand-over")

    assert client.get(page).status_code == 200
    assert client.post(page, {}).status_code == 422
    assert client.post(page, {"successor": cast.contributor.pk}).headers["Location"] == MEMBERS
    assert cast.owner.memberships.get().is_active
    assert Risk.objects.get(code="VOICE-1").owner == cast.contributor


def test_member_leaves_and_is_let_in_again(cast: Cast) -> None:
    answer = cast.client_for(cast.owner).post(SETTINGS + "leave/", {})
    assert answer.headers["Location"] == "/"
    assert cast.client_for(cast.owner).get(MEMBERS).status_code == 404
    cast.client_for(cast.administrator).post(_url(cast.owner, "reactivate"))
    assert cast.client_for(cast.owner).get(MEMBERS).status_code == 200


def test_last_administrator_cannot_leave_and_sees_why(cast: Cast) -> None:
    client = cast.client_for(cast.administrator)

    assert "disabled" in client.get(SETTINGS + "leave/").text
    assert client.post(SETTINGS + "leave/", {}).status_code == 422
    assert client.get(_url(cast.administrator, "deactivate")).headers["Location"] == SETTINGS + "leave/"


# --- who has left, elsewhere


def test_who_has_left_is_marked_and_no_longer_offered(cast: Cast, make_risk, make_mitigation) -> None:
    risk = make_risk(owner=cast.owner)
    make_mitigation(risk, owner=cast.owner)
    deactivate(cast.owner.memberships.get(), by=cast.actor(cast.administrator))
    client = cast.client_for(cast.manager)

    for page in ("risks/", "mitigations/", "mitigations/?view=board", "risks/VOICE-1/"):
        assert "Owner (left)" in client.get(f"/t/acme/{page}").text, page
    for page in ("risks/new/", "risks/VOICE-1/mitigations/new/", "risks/VOICE-1/move/accept/", "matrix/"):
        text = client.get(f"/t/acme/{page}").text
        assert ">Manager</option>" in text or ">Manager<" in text or page == "matrix/", page
        assert ">Owner</option>" not in text, page
        assert "Owner (left)" not in text, page


def test_who_has_left_is_marked_in_the_parts_that_htmx_swaps(cast: Cast, make_risk, make_mitigation) -> None:
    risk = make_risk()
    make_mitigation(risk, owner=cast.owner)
    add_comment(risk, "Look at this", by=cast.actor(cast.owner))
    deactivate(cast.owner.memberships.get(), by=cast.actor(cast.administrator))
    client, page = cast.client_for(cast.manager), "/t/acme/risks/VOICE-1/"
    section = client.get(page + "mitigations/new/", headers=HTMX | {"HX-Target": "mitigation-section"})
    talk = client.get(page + "comments/", headers=HTMX | {"HX-Target": "discussion"})

    assert "Owner (left)" in section.text
    assert "Owner (left)" in talk.text


def test_who_has_left_is_still_found_as_owner(cast: Cast, make_risk) -> None:
    make_risk(owner=cast.owner)
    make_risk(owner=cast.manager)
    deactivate(cast.owner.memberships.get(), by=cast.actor(cast.administrator))
    page = cast.client_for(cast.manager).get(f"/t/acme/risks/?owner={cast.owner.pk}")

    assert [risk.code for risk in page.context["table"].records] == ["VOICE-1"]
    assert "Owner (left)" in page.text


def test_owner_who_has_left_stays_until_another_is_chosen(cast: Cast, make_risk) -> None:
    make_risk(owner=cast.owner)
    deactivate(cast.owner.memberships.get(), by=cast.actor(cast.administrator))
    client = cast.client_for(cast.manager)

    assert (
        f'<option value="{cast.owner.pk}" selected>Owner (left)'
        in client.get("/t/acme/risks/VOICE-1/field/owner/").text
    )
    assert f'value="{cast.owner.pk}" selected' in client.get("/t/acme/risks/VOICE-1/edit/").text


@pytest.mark.parametrize("page", ["risks/", "mitigations/"])
def test_who_has_left_costs_no_query(cast: Cast, make_risk, make_mitigation, count_queries, page) -> None:
    make_mitigation(make_risk(owner=cast.owner), owner=cast.owner)
    client = cast.client_for(cast.manager)
    client.get(f"/t/acme/{page}")
    before = count_queries(lambda: client.get(f"/t/acme/{page}"))
    deactivate(cast.owner.memberships.get(), by=cast.actor(cast.administrator))

    assert count_queries(lambda: client.get(f"/t/acme/{page}")) == before


# --- the team itself


def test_team_is_renamed_and_demands_a_second_factor(cast: Cast) -> None:
    Authenticator.objects.create(user=cast.administrator, type=Authenticator.Type.TOTP, data={})
    client = cast.client_for(cast.administrator)
    assert "4 members have none yet" in client.get(SETTINGS).text
    client.post(SETTINGS, {"name_en": "Acme", "name_zh": "极致", "requires_second_factor": "on"})

    cast.team.refresh_from_db()
    assert (cast.team.name_en, cast.team.name_zh, cast.team.requires_second_factor) == ("Acme", "极致", True)
    assert AuditEvent.objects.filter(object_type="team", verb=Verb.CHANGED).count() == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name_en": "", "name_zh": " "}, "Give the team a name in at least one language"),
        ({"name_en": "x" * 101}, "at most 100 characters"),
        ({"name_en": "a\0"}, "Null characters are not allowed"),
    ],
)
def test_team_with_bad_input_is_refused(cast: Cast, values: dict[str, str], message: str) -> None:
    answer = cast.client_for(cast.administrator).post(SETTINGS, values)

    assert answer.status_code == 422
    assert message in answer.text


def test_new_team_leads_to_its_first_register(cast: Cast) -> None:
    with override_settings(WHO_MAKES_TEAMS="anyone"):
        answer = cast.client_for(cast.reader).post("/teams/new/", {"name": "Second Team"})
    team = Team.objects.get(slug="second-team")

    assert answer.headers["Location"] == "/t/second-team/registers/new/"
    assert Membership.objects.get(team=team).role == Role.ADMINISTRATOR
    page = cast.client_for(cast.reader).get("/t/acme/registers/")
    assert 'href="/t/second-team/"' in page.text


@pytest.mark.parametrize(
    ("who", "is_staff", "status"), [("staff", False, 403), ("staff", True, 200), ("anyone", False, 200)]
)
def test_who_makes_teams_is_a_setting(cast: Cast, who: str, is_staff: bool, status: int) -> None:
    User.objects.filter(pk=cast.reader.pk).update(is_staff=is_staff)
    with override_settings(WHO_MAKES_TEAMS=who):
        client = cast.client_for(cast.reader)
        assert client.get("/teams/new/").status_code == status
        assert ("/teams/new/" in client.get(SETTINGS).text) is (status == 200)
    assert Client().get("/teams/new/").status_code == 302


@pytest.mark.parametrize(
    ("name", "slugs"), [("风险团队", ["team", "team-2", "team-3"]), ("Acme!", ["acme-2", "acme-3", "acme-4"])]
)
def test_new_team_without_a_short_name_gets_a_free_one(cast: Cast, name: str, slugs: list[str]) -> None:
    with override_settings(WHO_MAKES_TEAMS="anyone"):
        pages = [cast.client_for(cast.reader).post("/teams/new/", {"name": name}) for _each in slugs]

    assert [page["Location"] for page in pages] == [f"/t/{slug}/registers/new/" for slug in slugs]


def test_new_team_with_a_taken_short_name_is_told_at_the_field(cast: Cast) -> None:
    with override_settings(WHO_MAKES_TEAMS="anyone"):
        page = cast.client_for(cast.reader).post("/teams/new/", {"name": "A", "slug": "acme"})

    assert page.context["form"].errors == {"slug": ["Another team has this short name. Choose another one."]}


@pytest.mark.parametrize(
    "values", [{"name": ""}, {"name": "x" * 101}, {"name": "A", "slug": "acme"}, {"name": "\0"}]
)
def test_new_team_with_bad_input_is_refused(cast: Cast, values: dict[str, str]) -> None:
    with override_settings(WHO_MAKES_TEAMS="anyone"):
        assert cast.client_for(cast.reader).post("/teams/new/", values).status_code == 422
    assert Team.objects.count() == 2


# --- the profile


def test_profile_keeps_clock_hour_and_choices(cast: Cast) -> None:
    values = {
        "name": "Rui", "language": "zh-hans", "theme": "dark", "time_zone": "Asia/Shanghai",
        "digest_hour": "18", "delivery_comment": "off", "delivery_mention": "digest",
    }  # fmt: skip
    assert cast.client_for(cast.reader).post("/me/", values).status_code == 302
    cast.reader.refresh_from_db()

    assert (cast.reader.time_zone, cast.reader.digest_hour) == ("Asia/Shanghai", 18)
    assert cast.reader.delivery == {"comment": Delivery.OFF, "mention": Delivery.DIGEST}


def test_profile_shows_the_usual_choice_of_each_kind(cast: Cast) -> None:
    form = cast.client_for(cast.reader).get("/me/").context["form"]

    assert {field.name: field.value() for field in form.kinds} == {
        f"delivery_{kind.value}": DEFAULT_DELIVERY[kind] for kind in NoticeKind
    }


@pytest.mark.parametrize(
    "values",
    [
        {"time_zone": "Mars/Olympus"}, {"time_zone": "../../etc/passwd"}, {"digest_hour": "24"},
        {"digest_hour": "-1"}, {"delivery_comment": "pigeon"}, {"theme": "pink"}, {"language": "tlh"},
        {"name": "x" * 101}, {"name": ""}, {"name": "a\0"}, {"digest_hour": "9" * 30},
    ],
)  # fmt: skip
def test_profile_with_bad_input_is_refused(cast: Cast, values: dict[str, str]) -> None:
    good = {"name": "Rui", "language": "", "theme": "auto", "time_zone": "", "digest_hour": "8"}
    page = cast.client_for(cast.reader).post("/me/", good | values)

    assert page.status_code == 422
    cast.reader.refresh_from_db()
    assert cast.reader.name == "Reader"


def test_moments_are_shown_by_the_persons_clock(cast: Cast, register) -> None:
    User.objects.filter(pk=cast.administrator.pk).update(time_zone="Pacific/Kiritimati")
    client = cast.client_for(cast.administrator)
    client.post(
        SETTINGS + "invitations/", {"addresses": "a@acme.example", "role": "reader", "language": "en"}
    )
    ends = timezone.now() + timedelta(days=settings.INVITATION_DAYS)
    local = ends.astimezone(ZoneInfo("Pacific/Kiritimati"))

    assert f"{local:%H:%M}" in client.get(SETTINGS + "invitations/").text
    assert timezone.get_current_timezone_name() == "UTC"


def test_months_are_the_sites_whatever_the_persons_clock() -> None:
    late = timezone.make_aware(timezone.datetime(2026, 11, 30, 23, 30), timezone.get_default_timezone())
    with timezone.override(ZoneInfo("Pacific/Kiritimati")):
        assert month_of(late).month == 11
        assert month_end(month_of(late)) == late + timedelta(minutes=30)

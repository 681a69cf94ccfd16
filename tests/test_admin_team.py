"""Teams, registers and people in the admin site; risks and the trail to look at."""

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate

from risks.models import AuditEvent, Matrix, Membership, Register, Risk, Team, Template, User
from tests.admin_site import errors_at, form_data, staff_client, superuser_client, url_of
from tests.rows import create

pytestmark = [pytest.mark.django_db, pytest.mark.ignore_template_errors]


@pytest.fixture
def admin(db):
    return superuser_client()


# --- teams and registers


def test_team_page_adds_a_member(admin, cast):
    data = form_data(admin.get(url_of(cast.team))) | {
        "memberships-5-user": cast.outsider.pk, "memberships-5-role": "reader", "memberships-TOTAL_FORMS": 6,
    }  # fmt: skip

    admin.post(url_of(cast.team), data)

    assert Membership.objects.get(team=cast.team, user=cast.outsider).role == "reader"


def test_team_page_names_each_input_by_column_and_row(admin, cast):
    html = admin.get(url_of(cast.team)).content.decode()

    assert [html.count(f'aria-label="Person {row}"') for row in (1, 2, 6)] == [1, 1, 1]


def test_team_page_refuses_a_member_twice(admin, cast):
    data = form_data(admin.get(url_of(cast.team))) | {
        "memberships-5-user": cast.reader.pk, "memberships-5-role": "manager", "memberships-TOTAL_FORMS": 6,
    }  # fmt: skip

    assert admin.post(url_of(cast.team), data).status_code == 200
    assert Membership.objects.get(team=cast.team, user=cast.reader).role == "reader"


def test_team_page_queries_do_not_grow_with_members(admin, cast, count_queries):
    few = count_queries(lambda: admin.get(url_of(cast.team)))
    for number in range(30):
        person = User.objects.create_user(f"p{number}@acme.example")
        create(Membership, team=cast.team, user=person, role="reader")

    assert count_queries(lambda: admin.get(url_of(cast.team))) == few


def test_team_change_is_in_the_team_s_trail(admin, cast):
    data = form_data(admin.get(url_of(cast.team))) | {"name_en": "Team 2", "slug": "acme-2"}
    response = admin.post(url_of(cast.team), data)
    event = AuditEvent.objects.get(team=cast.team, object_type="team", verb="changed")

    assert (response.status_code, event.actor.email) == (302, "root@acme.example")
    assert event.changes == {"name_en": ["Demo team", "Team 2"], "slug": ["acme", "acme-2"]}


def test_team_saved_as_it_was_leaves_no_line(admin, cast):
    admin.post(url_of(cast.team), form_data(admin.get(url_of(cast.team))))

    assert not AuditEvent.objects.filter(team=cast.team, verb="changed").exists()


def test_team_without_name_is_refused_at_the_field(admin, cast):
    data = form_data(admin.get(url_of(cast.team))) | {"name_en": "", "name_zh": ""}

    assert errors_at(admin.post(url_of(cast.team), data), "name_en") == [
        "Give the team a name in at least one language."
    ]


def test_team_with_registers_is_not_deleted(admin, register):
    admin.post(url_of(register.team, "delete"), {"post": "yes"})

    assert Team.objects.filter(pk=register.team_id).exists()


def test_register_made_here_is_in_the_team_s_trail(admin, cast, matrix):
    values = {"team": cast.team.pk, "key": "NEW", "name_en": "New", "matrix": matrix.pk, "currency": "CNY"}

    response = admin.post("/admin/risks/register/add/", values)
    made = Register.objects.get(key="NEW")

    assert response.status_code == 302
    assert AuditEvent.objects.filter(register=made, verb="created").get().actor.email == "root@acme.example"


def test_register_change_is_in_the_team_s_trail(admin, register):
    admin.post(url_of(register), form_data(admin.get(url_of(register))) | {"name_en": "Voice 2"})
    event = AuditEvent.objects.get(register=register, verb="changed")

    assert event.changes == {"name_en": ["Voice assistant", "Voice 2"]}


def test_register_keeps_key_and_team(admin, register, cast):
    data = form_data(admin.get(url_of(register))) | {"key": "OTHERS", "team": cast.other_team.pk}
    admin.post(url_of(register), data)
    register.refresh_from_db()

    assert (register.key, register.team) == ("VOICE", cast.team)


def test_register_is_not_deleted_here(admin, register):
    address = "/admin/risks/register/"
    answer = admin.post(url_of(register, "delete"), {"post": "yes"})
    action = {"action": "delete_selected", "_selected_action": [register.pk], "post": "yes"}
    admin.post(address, action)

    assert answer.status_code == 403
    assert "delete_selected" not in admin.get(address).content.decode()
    assert Register.objects.filter(pk=register.pk).exists()


def test_register_with_assessments_keeps_its_matrix(admin, register, make_risk, matrix):
    make_risk(residual=(3, 3))
    other = Matrix.objects.exclude(pk=matrix.pk).first()
    admin.post(url_of(register), form_data(admin.get(url_of(register))) | {"matrix": other.pk})
    register.refresh_from_db()

    assert register.matrix == matrix


def test_register_with_a_matrix_of_another_team_is_refused(admin, register, cast):
    foreign = create(Matrix, key="theirs", name_en="Theirs", team=cast.other_team)
    data = form_data(admin.get(url_of(register))) | {"matrix": foreign.pk}

    assert errors_at(admin.post(url_of(register), data), "matrix") == ["This matrix belongs to another team."]


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"key": "voice"}, "key", "Use 2 to 10 capital letters or digits, such as VOICE."),
        ({"key": "VOICE"}, "key", "The team has a register with this key; choose another."),
        ({"name_en": ""}, "name_en", "Give the register a name in at least one language."),
    ],
)
def test_bad_register_is_refused_at_the_field(admin, register, cast, matrix, values, field, sentence):
    good = {"team": cast.team.pk, "key": "NEW", "name_en": "New", "matrix": matrix.pk, "currency": "CNY"}

    assert errors_at(admin.post("/admin/risks/register/add/", good | values), field) == [sentence]


# --- people


def test_person_made_here_signs_in(admin):
    values = {
        "email": "Ann@Acme.example", "name": "Ann", "usable_password": "true",
        "password1": "correct horse battery", "password2": "correct horse battery",
    }  # fmt: skip

    response = admin.post("/admin/risks/user/add/", values)

    assert response.url == url_of(User.objects.get(email="ann@acme.example"))
    assert authenticate(None, email="ann@acme.example", password="correct horse battery").name == "Ann"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "READER@acme.example"}, "email"),
        ({"email": "no address"}, "email"),
        ({"password2": "something else"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
    ],
)
def test_bad_person_is_refused_at_the_field(admin, cast, values, field):
    good = {
        "email": "ann@acme.example", "usable_password": "true",
        "password1": "correct horse battery", "password2": "correct horse battery",
    }  # fmt: skip
    response = admin.post("/admin/risks/user/add/", good | values)

    assert list(response.context["adminform"].form.errors) == [field]


def test_person_change_page_saves_name_language_and_theme(admin, cast):
    data = form_data(admin.get(url_of(cast.reader)))
    admin.post(url_of(cast.reader), data | {"name": "Rui", "language": "zh-hans", "theme": "dark"})
    cast.reader.refresh_from_db()

    assert (cast.reader.name, cast.reader.language, cast.reader.theme) == ("Rui", "zh-hans", "dark")


def test_old_address_no_longer_signs_in(admin, cast):
    EmailAddress.objects.create(user=cast.reader, email=cast.reader.email, primary=True)
    admin.post(url_of(cast.reader), form_data(admin.get(url_of(cast.reader))) | {"email": "new@acme.example"})

    assert authenticate(None, email="reader@acme.example", password="correct horse battery") is None
    assert authenticate(None, email="new@acme.example", password="correct horse battery") == cast.reader


def test_nobody_takes_their_own_rights(admin):
    root = User.objects.get(email="root@acme.example")
    admin.post(url_of(root), {"email": root.email, "name": "Root", "theme": "auto"})
    root.refresh_from_db()

    assert (root.is_active, root.is_staff, root.is_superuser) == (True, True, True)


def test_staff_who_may_change_people_give_no_rights_and_touch_no_superuser(admin, cast):
    client = staff_client("view_user", "change_user")
    root = User.objects.get(email="root@acme.example")
    data = form_data(client.get(url_of(cast.reader))) | {"is_superuser": "on", "is_staff": "on"}
    client.post(url_of(cast.reader), data)
    cast.reader.refresh_from_db()

    assert (cast.reader.is_staff, cast.reader.is_superuser) == (False, False)
    assert client.post(url_of(root), {"name": "Mine"}).status_code == 403
    assert client.post(f"/admin/risks/user/{root.pk}/password/", {"password1": "x"}).status_code == 403


# --- read only


@pytest.mark.parametrize("model", ["risk", "mitigation", "auditevent"])
def test_read_only_list_and_page_answer_and_write_nothing(admin, make_risk, make_mitigation, model):
    risk = make_risk(residual=(3, 3), title_en="A risk to look at")
    objects = {
        "risk": risk,
        "mitigation": make_mitigation(risk),
        "auditevent": AuditEvent.objects.filter(risk=risk).first(),
    }  # fmt: skip
    place = url_of(objects[model])

    assert admin.get(f"/admin/risks/{model}/").context["cl"].result_count > 0
    assert admin.get(place).context["has_change_permission"] is False
    assert admin.post(place, {"title_en": "Mine"}).status_code == 403
    assert admin.get(f"/admin/risks/{model}/add/").status_code == 403
    assert admin.post(url_of(objects[model], "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", ["risk", "mitigation", "auditevent"])
def test_read_only_list_is_for_superusers_only(model):
    client = staff_client(f"view_{model}")

    assert client.get(f"/admin/risks/{model}/").status_code == 403


def test_trail_shows_what_changed(admin, register):
    admin.post(url_of(register), form_data(admin.get(url_of(register))) | {"name_en": "Voice 2"})
    event = AuditEvent.objects.get(register=register, verb="changed")

    assert "Name (English): Voice assistant → Voice 2" in admin.get(url_of(event)).content.decode()
    assert list(admin.get("/admin/risks/auditevent/?verb=changed").context["cl"].queryset) == [event]


def test_risk_list_links_to_the_page_of_the_risk(admin, make_risk):
    make_risk()

    assert '<a href="/t/acme/risks/VOICE-1/">' in admin.get("/admin/risks/risk/?q=VOICE-1").content.decode()


def test_risks_of_a_template_are_listed(admin, make_risk):
    template = Template.objects.get(code="TEC-01")
    risk = make_risk(template=template)
    make_risk()
    found = admin.get(f"/admin/risks/risk/?template__id__exact={template.pk}").context["cl"].queryset

    assert list(found) == [risk]


def _more(model, cast, register, make_risk, make_mitigation, number):
    """Rows until the list has `number` of them."""
    for index in range(model._default_manager.count(), number):
        if model is Risk:
            make_risk(owner=cast.owner)
        elif model is User:
            User.objects.create_user(f"p{index}@acme.example")
        elif model is Team:
            Team.objects.create(slug=f"t{index}", name_en="T")
        elif model is Register:
            create(Register, team=cast.team, key=f"R{index}", name_en="R", matrix=register.matrix)
        else:
            make_mitigation(register.risks.first(), owner=cast.owner)


@pytest.mark.parametrize("model", ["risk", "mitigation", "auditevent", "user", "team", "register"])
def test_list_queries_do_not_grow(admin, count_queries, cast, register, make_risk, make_mitigation, model):
    kind = apps.get_model("risks", model)
    make_mitigation(make_risk(owner=cast.owner), owner=cast.owner)
    place = f"/admin/risks/{model}/"
    admin.get(place)
    few = count_queries(lambda: admin.get(place))
    if kind is AuditEvent:
        _more(Risk, cast, register, make_risk, make_mitigation, 30)
    else:
        _more(kind, cast, register, make_risk, make_mitigation, 30)

    assert count_queries(lambda: admin.get(place)) == few
    assert admin.get(place).context["cl"].result_count >= 30


# --- members and people, by the same rules as on their own pages


def _row(number, **values):
    return {f"memberships-{number}-{name}": value for name, value in values.items()}


def _number_of(answer, user):
    forms = answer.context["inline_admin_formsets"][0].formset.forms
    return next(number for number, form in enumerate(forms) if form.instance.user_id == user.pk)


def test_team_page_changes_a_role_with_line_and_version(admin, cast):
    page = admin.get(url_of(cast.team))
    admin.post(url_of(cast.team), form_data(page) | _row(_number_of(page, cast.reader), role="manager"))
    event = AuditEvent.objects.latest("id")

    assert Membership.objects.get(user=cast.reader).role == "manager"
    assert (event.team, event.verb, event.subject, event.object_label) == (
        cast.team, "changed", cast.reader, "",
    )  # fmt: skip
    assert event.changes == {"role": ["reader", "manager"]}


def test_team_page_ends_and_renews_a_membership(admin, cast):
    page = admin.get(url_of(cast.team))
    data = form_data(page)
    name = f"memberships-{_number_of(page, cast.reader)}-is_active"
    del data[name]
    admin.post(url_of(cast.team), data)
    assert Membership.objects.get(user=cast.reader).is_active is False
    admin.post(url_of(cast.team), form_data(admin.get(url_of(cast.team))) | {name: "on"})

    assert Membership.objects.get(user=cast.reader).is_active is True
    assert list(AuditEvent.objects.order_by("-id").values_list("verb", flat=True)[:2]) == ["joined", "left"]


def test_team_page_keeps_an_administrator(admin, cast):
    page = admin.get(url_of(cast.team))
    change = _row(_number_of(page, cast.administrator), role="reader")
    refused = admin.post(url_of(cast.team), form_data(page) | change)

    assert refused.status_code == 200
    assert refused.context["inline_admin_formsets"][0].formset.non_form_errors() == [
        "A team needs an administrator. Make another member administrator first."
    ]
    assert Membership.objects.get(user=cast.administrator).role == "administrator"


def test_team_page_swaps_the_only_administrator_in_one_go(admin, cast):
    page = admin.get(url_of(cast.team))
    change = _row(_number_of(page, cast.administrator), role="reader")
    change |= _row(_number_of(page, cast.reader), role="administrator")
    assert admin.post(url_of(cast.team), form_data(page) | change).status_code == 302

    assert Membership.objects.get(user=cast.reader).role == "administrator"
    assert Membership.objects.get(user=cast.administrator).role == "reader"


def test_team_page_never_puts_another_person_in_a_row(admin, cast):
    page = admin.get(url_of(cast.team))
    number = _number_of(page, cast.reader)
    admin.post(url_of(cast.team), form_data(page) | _row(number, user=cast.outsider.pk))

    assert not Membership.objects.filter(team=cast.team, user=cast.outsider).exists()
    assert Membership.objects.get(user=cast.reader).team == cast.team


def test_team_made_here_is_in_its_own_trail(admin, cast):
    values = {
        "slug": "third", "name_en": "Third", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 0,
        "memberships-0-user": cast.reader.pk, "memberships-0-role": "administrator",
        "memberships-0-is_active": "on",
    }  # fmt: skip
    admin.post("/admin/risks/team/add/", values)
    team = Team.objects.get(slug="third")

    assert list(AuditEvent.objects.filter(team=team).order_by("id").values_list("verb", flat=True)) == [
        "created",
        "joined",
    ]


def test_only_administrator_of_a_team_is_not_switched_off(admin, cast):
    data = form_data(admin.get(url_of(cast.administrator)))
    del data["is_active"]
    refused = admin.post(url_of(cast.administrator), data)

    assert errors_at(refused, "is_active") == ["Make another member administrator first, in: Demo team"]
    data = form_data(admin.get(url_of(cast.reader)))
    del data["is_active"]
    assert admin.post(url_of(cast.reader), data).status_code == 302


def test_log_of_the_admin_site_names_nobody(admin, cast):
    page = admin.get(url_of(cast.team))
    admin.post(url_of(cast.team), form_data(page) | _row(_number_of(page, cast.reader), role="manager"))
    admin.post(url_of(cast.reader), form_data(admin.get(url_of(cast.reader))) | {"name": "Rui"})

    entries = LogEntry.objects.filter(object_id=str(cast.reader.pk)) | LogEntry.objects.filter(
        object_id=str(cast.team.pk)
    )
    words = " ".join(f"{entry.object_repr} {entry.change_message}" for entry in entries)
    assert entries.count() == 2
    assert "Reader" not in words
    assert "reader@" not in words


def test_superuser_forgets_a_person_and_their_memberships_end(admin, cast):
    page = f"/admin/risks/user/{cast.reader.pk}/forget/"
    assert admin.get(page).status_code == 200
    assert admin.post(page, {"address": "wrong@acme.example"}).status_code == 422
    assert admin.post(page, {"address": "Reader@acme.example"}).status_code == 302
    cast.reader.refresh_from_db()

    assert (str(cast.reader), cast.reader.is_active) == (f"Former member {cast.reader.pk}", False)
    assert Membership.objects.get(user=cast.reader).is_active is False
    assert admin.get(url_of(cast.reader)).context["has_change_permission"] is False
    assert admin.get(page).status_code == 403


def test_forgetting_here_keeps_an_administrator_in_every_team(admin, cast):
    page = f"/admin/risks/user/{cast.administrator.pk}/forget/"

    assert admin.post(page, {"address": cast.administrator.email}).status_code == 422
    cast.administrator.refresh_from_db()
    assert cast.administrator.pseudonymised_at is None


def test_forgetting_here_is_for_superusers(admin, cast):
    client = staff_client("view_user", "change_user")

    assert client.post(f"/admin/risks/user/{cast.reader.pk}/forget/", {}).status_code == 403
    assert admin.get("/admin/risks/user/99999999/forget/").status_code == 404

"""The taxonomy and the templates in the admin site."""

import pytest
from django.contrib.admin.models import LogEntry

from risks.models import Category, Template
from risks.rules import Actor
from risks.services.library import duplicate_template
from tests.admin_site import errors_at, form_data, staff_client, superuser_client, url_of
from tests.rows import change, create, remove

pytestmark = [pytest.mark.django_db, pytest.mark.ignore_template_errors]
LIST = "/admin/risks/template/"


@pytest.fixture
def admin(db):
    return superuser_client()


@pytest.fixture
def template():
    return Template.objects.get(code="TEC-01")


# --- doors


def test_admin_signed_out_goes_to_our_sign_in_page(client):
    response = client.get("/admin/", follow=True)

    assert response.redirect_chain[-1] == ("/accounts/login/?next=%2Fadmin%2F", 302)


def test_admin_of_somebody_not_staff_answers_403(cast):
    response = cast.client_for(cast.administrator).get(LIST, follow=True)

    assert response.status_code == 403


def test_admin_of_staff_without_permission_answers_403():
    assert staff_client().get(LIST).status_code == 403


def test_templates_of_staff_with_view_permission_are_read_only(template):
    client = staff_client("view_template")

    assert client.get(url_of(template)).context["has_change_permission"] is False
    assert client.post(url_of(template), {"title_en": "Mine"}).status_code == 403
    assert client.post(url_of(template, "duplicate")).status_code == 403
    assert client.get("/admin/risks/template/import/").status_code == 403


def test_index_shows_the_product_and_the_way_back(admin):
    html = admin.get("/admin/").content.decode()

    assert '<a href="/admin/">RiskReg</a>' in html
    assert '<a href="/">Back to the registers</a>' in html


@pytest.mark.parametrize(
    "place", ["/admin/", LIST, "/admin/risks/template/add/", "/admin/risks/template/import/"]
)
def test_page_carries_no_inline_style_or_handler(admin, place):
    html = admin.get(place).content.decode()

    assert [sign for sign in (" style=", "<style", " onclick=", " onchange=") if sign in html] == []


# --- lists


def test_list_shows_both_titles_and_the_number_of_risks(admin, template, make_risk):
    make_risk(template=template)
    make_risk(template=template)
    html = admin.get(LIST, {"q": "TEC-01"}).content.decode()

    assert template.title_en in html
    assert template.title_zh in html
    assert f'<a href="/admin/risks/risk/?template__id__exact={template.pk}">2 risks</a>' in html


def test_list_for_staff_tells_only_the_number_of_risks(template, make_risk):
    make_risk(template=template)
    html = staff_client("view_template").get(LIST, {"q": "TEC-01"}).content.decode()

    assert "1 risk<" in html
    assert "/admin/risks/risk/" not in html


@pytest.mark.parametrize("words", ["quality bar", "核心模型达不到"])
def test_search_finds_a_template_in_either_language(admin, words):
    found = admin.get(LIST, {"q": words}).context["cl"].queryset

    assert [template.code for template in found] == ["TEC-01"]


def test_filter_by_category_keeps_only_its_templates(admin):
    market = Category.objects.get(key="market", parent=None)
    found = admin.get(LIST, {"category__id__exact": market.pk}).context["cl"].queryset

    assert {template.category_id for template in found} == {market.pk}


@pytest.mark.parametrize(
    "query",
    [
        "?q=%00",
        "?p=999",
        "?category__id__exact=x",
        "?nonsense=1",
        "?o=99.-7",
        "?code=%00",
        "?category__id__exact=99999999999999999999",
    ],
)
def test_list_with_odd_query_never_answers_500(admin, query):
    assert admin.get(LIST + query).status_code in (200, 302)


@pytest.mark.parametrize("pk", ["0", "999999", "x", "é", "1%2F2"])
@pytest.mark.parametrize("place", ["change", "preview", "history", "delete"])
def test_page_of_unknown_template_leads_away(admin, pk, place):
    assert admin.get(f"{LIST}{pk}/{place}/").status_code in (302, 404)


def test_template_list_queries_do_not_grow(admin, count_queries, template):
    remove(Template.objects.exclude(pk=template.pk))
    admin.get(LIST)
    one = count_queries(lambda: admin.get(LIST))
    for _number in range(29):
        duplicate_template(template, by=Actor.system(None))

    assert count_queries(lambda: admin.get(LIST)) == one
    assert admin.get(LIST).context["cl"].result_count == 30


def test_category_list_queries_do_not_grow(admin, count_queries):
    page = "/admin/risks/category/?is_active__exact=1"
    change(Category.objects.exclude(key="market"), is_active=False)
    admin.get(page)
    one = count_queries(lambda: admin.get(page))
    parent = Category.objects.get(key="market")
    for number in range(29):
        create(Category, key=f"c{number}", name_en="C", parent=parent)

    assert count_queries(lambda: admin.get(page)) == one
    assert admin.get(page).context["cl"].result_count == 30


def test_category_list_puts_subcategories_below_their_category(admin):
    found = admin.get("/admin/risks/category/").context["cl"].result_list

    assert [category.key for category in found][:4] == ["technical", "research", "data", "market"]


# --- change


def test_change_page_shows_everything_of_a_template(admin, template):
    response = admin.get(url_of(template))
    rows = [inline.formset.initial_form_count() for inline in response.context["inline_admin_formsets"]]

    assert rows == [template.mitigations.count(), template.indicators.count(), template.references.count()]
    assert 'lang="zh-Hans"' in response.content.decode()


def test_change_saved_unchanged_keeps_everything(admin, template):
    parts = [list(template.mitigations.values()), list(template.indicators.values())]
    response = admin.post(url_of(template), form_data(admin.get(url_of(template))))

    assert response.status_code == 302
    assert [list(template.mitigations.values()), list(template.indicators.values())] == parts


def test_template_without_title_is_refused_at_the_field_and_keeps_what_was_typed(admin, template):
    data = form_data(admin.get(url_of(template))) | {"title_en": "", "title_zh": "", "cause_en": "Typed"}
    response = admin.post(url_of(template), data)

    assert errors_at(response, "title_en") == ["Give the template a title in at least one language."]
    assert response.context["adminform"].form["cause_en"].value() == "Typed"
    template.refresh_from_db()
    assert template.title_en == "Core model misses its go-live quality bar"


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"frequency_low": ""}, "frequency_low", "Give both ends of the frequency, the lower one first."),
        (
            {"frequency_high": "0.01"},
            "frequency_low",
            "Give both ends of the frequency, the lower one first.",
        ),
        (
            {"impact_low": "0"},
            "impact_low",
            "Give all three impacts above zero, from the lowest to the highest.",
        ),
        ({"impact_high": "nan"}, "impact_high", "Enter a number."),
        ({"code": "TEC-02"}, "code", "Another template has this code; choose another."),
    ],
)
def test_bad_template_is_refused_at_the_field(admin, template, values, field, sentence):
    response = admin.post(url_of(template), form_data(admin.get(url_of(template))) | values)

    assert errors_at(response, field) == [sentence]


def test_probability_above_one_is_refused_at_its_upper_end(admin, template):
    response = admin.post(url_of(template), form_data(admin.get(url_of(template))) | {"frequency_high": "20"})

    assert list(response.context["adminform"].form.errors) == ["frequency_high"]


def test_subcategory_of_another_category_is_refused(admin, template):
    other = Category.objects.get(key="competition")
    data = form_data(admin.get(url_of(template))) | {"subcategory": other.pk}

    response = admin.post(url_of(template), data)

    assert errors_at(response, "subcategory") == ["Choose a subcategory of the chosen category."]


def test_contingency_without_trigger_is_refused_in_its_row(admin, template):
    data = form_data(admin.get(url_of(template)))
    row = next(number for number in range(9) if data[f"mitigations-{number}-kind"] == "contingency")
    data[f"mitigations-{row}-trigger_en"] = data[f"mitigations-{row}-trigger_zh"] = ""

    formset = admin.post(url_of(template), data).context["inline_admin_formsets"][0].formset

    assert formset.errors[row] == {
        "trigger_en": ["A contingency needs its trigger: what has to happen to start it."]
    }


def test_alarm_before_warning_is_refused_in_its_row(admin, template):
    data = form_data(admin.get(url_of(template))) | {"indicators-0-amber": "9", "indicators-0-red": "1"}

    formset = admin.post(url_of(template), data).context["inline_admin_formsets"][1].formset

    assert formset.errors[0] == {"red": ["The warning must come before the alarm in the bad direction."]}


def test_new_mitigation_without_a_place_goes_to_the_end(admin, template):
    data = form_data(admin.get(url_of(template)))
    number = template.mitigations.count()
    data |= {f"mitigations-{number}-kind": "prevention", f"mitigations-{number}-title_en": "One more"}

    admin.post(url_of(template), data)

    assert [m.title_en for m in template.mitigations.all()][-1] == "One more"


def test_category_with_subcategories_cannot_become_one(admin):
    technical, market = (Category.objects.get(key=key) for key in ("technical", "market"))
    data = form_data(admin.get(url_of(technical))) | {"parent": market.pk}

    response = admin.post(url_of(technical), data)

    assert errors_at(response, "parent") == [
        "This category has subcategories of its own, and the taxonomy has two levels."
    ]


def test_category_without_name_is_refused_at_the_field(admin):
    category = Category.objects.get(key="market")
    data = form_data(admin.get(url_of(category))) | {"name_en": "", "name_zh": ""}

    assert errors_at(admin.post(url_of(category), data), "name_en") == [
        "Give the category a name in at least one language."
    ]


def test_category_in_use_is_not_deleted(admin):
    category = Category.objects.get(key="market")

    response = admin.post(url_of(category, "delete"), {"post": "yes"})

    assert response.status_code == 200
    assert Category.objects.filter(pk=category.pk).exists()


# --- preview, duplicate, switch


def test_preview_shows_a_template_in_both_languages(admin, template):
    response = admin.get(url_of(template, "preview"))
    english, chinese = (str(rendering["html"]) for rendering in response.context["renderings"])

    assert template.title_en in english
    assert "15–40 %" in english
    assert template.title_zh in chinese
    assert english.count("chosen-mark") == 1
    for mitigation in template.mitigations.all():
        assert mitigation.title_zh in chinese


def test_preview_of_a_template_without_ranges_works(admin, template):
    fields = ("frequency_low", "frequency_high", "impact_low", "impact_likely", "impact_high")
    change(Template.objects.filter(pk=template.pk), **dict.fromkeys(fields))

    assert "matrix-grid" not in admin.get(url_of(template, "preview")).content.decode()


def test_duplicate_leads_to_a_copy_that_is_not_offered(admin, template):
    response = admin.post(url_of(template, "duplicate"))
    copy = Template.objects.get(code="TEC-01-2")

    assert response.url == url_of(copy)
    assert copy.is_active is False
    assert copy.mitigations.count() == template.mitigations.count()
    assert LogEntry.objects.get().change_message == "Copied from TEC-01."


def test_duplicate_by_get_is_refused(admin, template):
    assert admin.get(url_of(template, "duplicate")).status_code == 405
    assert Template.objects.count() == 42


def test_action_switches_off_and_on(admin, template):
    data = {"_selected_action": [template.pk]}
    admin.post(LIST, data | {"action": "stop_offering"})
    off = Template.objects.get(pk=template.pk).is_active
    admin.post(LIST, data | {"action": "offer"})

    assert (off, Template.objects.get(pk=template.pk).is_active) == (False, True)
    assert LogEntry.objects.count() == 2


def test_action_duplicates_all_selected(admin):
    chosen = Template.objects.filter(code__in=["TEC-01", "TEC-02"])

    admin.post(LIST, {"action": "duplicate", "_selected_action": [t.pk for t in chosen]})

    assert Template.objects.filter(code__in=["TEC-01-2", "TEC-02-2"], is_active=False).count() == 2

"""Templates to files and back, by the admin's pages and by the functions below them."""

import csv
import io
import json

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile

from risks.exceptions import Invalid
from risks.exchange.library import import_templates, read_templates, write_templates
from risks.exchange.library_files import neutralise, restore
from risks.models import Team, Template, TemplateMitigation
from risks.rules import Actor
from tests.admin_site import superuser_client
from tests.rows import change, remove

pytestmark = [pytest.mark.django_db, pytest.mark.ignore_template_errors]
IMPORT = "/admin/risks/template/import/"
FORMATS = pytest.mark.parametrize("name", ["json", "csv"])

BY = Actor.system(None)


@pytest.fixture
def admin(db):
    return superuser_client()


def export(name="json"):
    return write_templates(name, Template.objects.all())


def upload(client, data, name="json"):
    return client.post(IMPORT, {"file": SimpleUploadedFile(f"templates.{name}", data)})


def changed(change, name="json"):
    """The export of TEC-01 after `change` of its row."""
    rows = json.loads(write_templates("json", Template.objects.filter(code="TEC-01")))
    change(rows[0])
    return json.dumps(rows).encode()


def error_of(data, name="json"):
    """The one sentence with which a file is refused before any row is read."""
    with pytest.raises(Invalid) as refusal:
        read_templates(name, data)
    return str(refusal.value)


def errors_of(data, name="json"):
    _result, rows = import_templates(read_templates(name, data), by=BY, dry_run=True)
    return [error for row in rows for error in row.errors]


# --- round trip


@FORMATS
def test_export_wipe_import_export_is_byte_identical(name):
    before = export(name)
    remove(Template.objects.all())
    result, _rows = import_templates(read_templates(name, before), by=BY, dry_run=False)

    assert result.totals["new"] == 42
    assert export(name) == before


@FORMATS
def test_import_of_an_export_changes_nothing(name):
    result, rows = import_templates(read_templates(name, export(name)), by=BY, dry_run=False)

    assert result.totals["skip"] == 42
    assert [row.changes for row in rows] == [[]] * 42


def test_json_holds_every_column_of_every_part():
    row = json.loads(write_templates("json", Template.objects.filter(code="TEC-01")))[0]

    assert (
        row["mitigations"][0]["title_zh"] == "分阶段训练，在Token预算用到1%、10%、50%时按预设分数决定是否继续"
    )
    assert row["indicators"][0] == {
        "name_en": "Gap to the acceptance score at 50% of the token budget",
        "name_zh": "Token预算用到50%时与验收分数的差距",
        "unit_en": "%", "unit_zh": "%", "amber": 5, "red": 10, "bad_when": "above",
    }  # fmt: skip


@FORMATS
@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "'=1",
        "''=1",
        "'quoted'",
        "a\r\nb\nc",
        '",;',
        "🙂 עברית",
        "\u2028",
    ],
)
def test_odd_text_survives_both_formats(name, text):
    template = Template.objects.get(code="TEC-01")
    change(Template.objects.filter(pk=template.pk), title_en=text, cause_zh=text)
    TemplateMitigation.objects.filter(template=template).update(title_zh=text)
    before = export(name)
    remove(Template.objects.all())
    import_templates(read_templates(name, before), by=BY, dry_run=False)
    again = Template.objects.get(code="TEC-01")

    assert (again.title_en, again.cause_zh, again.mitigations.first().title_zh) == (text, text, text)
    assert export(name) == before


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r1", "'=1"])
def test_csv_cells_never_begin_like_a_formula(text):
    change(Template.objects.filter(code="TEC-01"), title_en=text)
    rows = csv.DictReader(io.StringIO(export("csv").decode("utf-8-sig"), newline=""))
    cell = next(row["title_en"] for row in rows if row["code"] == "TEC-01")

    assert cell == "'" + text
    assert restore(cell) == text


def test_harmless_text_is_left_alone():
    assert [neutralise(text) for text in ("", "a=b", "'quoted'", "’=1")] == ["", "a=b", "'quoted'", "’=1"]
    assert restore("'quoted'") == "'quoted'"


def test_csv_saved_with_semicolons_is_read():
    rows = list(csv.reader(io.StringIO(export("csv").decode("utf-8-sig"), newline="")))
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=";").writerows(rows)

    assert (
        import_templates(read_templates("csv", stream.getvalue().encode()), by=BY, dry_run=True)[0].totals[
            "skip"
        ]
        == 42
    )


def test_import_updates_by_code_and_leaves_missing_columns_alone():
    template = Template.objects.get(code="TEC-01")
    result, rows = import_templates(
        read_templates("csv", b"code,title_en\r\nTEC-01,Renamed\r\n"), by=BY, dry_run=False
    )
    again = Template.objects.get(code="TEC-01")

    assert result.totals["update"] == 1
    assert [(c.column, c.before, c.after) for c in rows[0].changes] == [
        ("title_en", "Core model misses its go-live quality bar", "Renamed")
    ]
    assert (again.pk, again.title_zh, again.cause_en) == (template.pk, template.title_zh, template.cause_en)
    assert again.mitigations.count() == template.mitigations.count() == 4


def test_import_of_one_bad_row_writes_none():
    rows = json.loads(export())
    rows[0]["title_en"] = "Renamed"
    rows[1]["title_en"] = rows[1]["title_zh"] = ""
    result, report = import_templates(read_templates("json", json.dumps(rows).encode()), by=BY, dry_run=False)

    assert result.has_validation_errors()
    assert [(row.number, row.errors) for row in report if row.errors] == [
        (2, ["Give the template a title in at least one language."])
    ]
    assert not Template.objects.filter(title_en="Renamed").exists()


def test_team_entry_stands_beside_the_product_s_own(cast):
    data = changed(lambda row: row.update(team="acme", title_en="Ours"))
    result, _rows = import_templates(read_templates("json", data), by=BY, dry_run=False)

    assert result.totals["new"] == 1
    assert Template.objects.get(code="TEC-01", team=cast.team).title_en == "Ours"
    assert Template.objects.get(code="TEC-01", team=None).title_en != "Ours"


# --- refusals


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"category": "nowhere"}, "category: There is no “nowhere” here."),
        ({"subcategory": "competition"}, "subcategory: There is no “competition” here."),
        ({"team": "nobody"}, "team: There is no “nobody” here."),
        ({"frequency_low": "much"}, "frequency_low: “much” is not a number. Write 0.2 for 20 %."),
        ({"frequency_low": 1e999}, "frequency_low: “inf” is not a number. Write 0.2 for 20 %."),
        ({"frequency_low": True}, "frequency_low: “True” is not a number. Write 0.2 for 20 %."),
        ({"frequency_high": None}, "Give both ends of the frequency, the lower one first."),
        ({"impact_low": 0}, "Give all three impacts above zero, from the lowest to the highest."),
        ({"title_en": 5}, "title_en: A text is expected here, not “5”."),
        ({"code": ""}, "code: This field cannot be blank."),
        ({"code": ["TEC-01"]}, "code: A text is expected here, not “['TEC-01']”."),
        ({"is_active": "perhaps"}, "is_active: Write 1 for yes or 0 for no."),
        ({"is_active": []}, "is_active: Write 1 for yes or 0 for no."),
        ({"mitigations": "none"}, "mitigations: A list of objects is expected here."),
        (
            {"mitigations": [{"kind": "prevention"}]},
            "mitigations: No. 1: Say in at least one language what is done.",
        ),
        ({"mitigations": [{"colour": "red"}]}, "mitigations: No. 1: “colour” is not known here."),
        (
            {"indicators": [{"name_en": "N", "amber": "x"}]},
            "indicators: No. 1: “x” is not a number. Write 0.2 for 20 %.",
        ),
    ],
)  # fmt: skip
def test_bad_row_is_refused_with_its_column(cast, values, sentence):
    assert sentence in errors_of(changed(lambda row: row.update(values)))


def test_code_twice_in_a_file_is_refused():
    row = json.loads(write_templates("json", Template.objects.filter(code="TEC-01")))[0]

    assert errors_of(json.dumps([row, row]).encode()) == [
        "code: This code stands in the file twice; keep one of them."
    ]


NOT_JSON = "This file is not JSON. Choose a file that was exported here."
NOT_CSV = "This file is not CSV. Choose a file that was exported here."
NO_TEMPLATE = "There is no template in this file. It needs at least the column “code” and one row."
OTHER_FIELDS = "Row 2 does not have the same fields as the first one."


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("json", b"{", NOT_JSON),
        ("json", b"[" * 100_000, NOT_JSON),
        ("json", b'[{"code": "\\ud800"}]', NOT_JSON),
        ("json", b'[{"code": "\\u0000"}]', NOT_JSON),
        ("json", b'{"code": "A"}', "A list of templates is expected in this file."),
        ("json", b"[1]", "A list of templates is expected in this file."),
        ("json", b'[{"code": "A"}, {"title_en": "B"}]', OTHER_FIELDS),
        ("json", b"[]", NO_TEMPLATE),
        ("json", b'[{"code": "A", "colour": "red"}]', "The column “colour” is not known here."),
        ("csv", b"", NO_TEMPLATE),
        ("csv", b"code\r\n", NO_TEMPLATE),
        ("csv", "编号".encode("gbk"), "This file is not UTF-8 text. Save it as UTF-8 and choose it again."),
        ("csv", b"code,code\r\nA,B\r\n", "A column stands in the file twice; keep one of them."),
        ("csv", b"code\r\nA,B\r\n", "Line 2 has more cells than the first one."),
        ("csv", b'code\r\n"A', NOT_CSV),
        ("csv", b"code\r\nA\0\r\n", NOT_CSV),
        ("csv", b"code,category\r\nA,B\r\n", "Give both columns, “category” and “subcategory”, or neither."),
        ("csv", b"code,mitigation_x\r\nA,B\r\n", "The column “mitigation_x” is not known here."),
    ],
)  # fmt: skip
def test_file_of_another_kind_is_refused_with_what_to_do(name, data, sentence):
    assert error_of(data, name) == sentence


# --- pages


@FORMATS
def test_export_page_downloads_the_whole_library(admin, name):
    response = admin.get(f"/admin/risks/template/export/{name}/")

    assert response.content == export(name)
    assert response["Content-Disposition"].endswith(f'.{name}"')


def test_export_in_an_unknown_format_answers_404(admin):
    assert admin.get("/admin/risks/template/export/xml/").status_code == 404


def test_action_exports_only_the_selected(admin):
    chosen = Template.objects.get(code="TEC-01")
    response = admin.post(
        "/admin/risks/template/", {"action": "export_json", "_selected_action": [chosen.pk]}
    )

    assert [row["code"] for row in json.loads(response.content)] == ["TEC-01"]


def test_import_page_shows_the_changes_and_writes_after_confirmation(admin):
    response = upload(
        admin, changed(lambda row: row.update(title_en="Renamed <b>", mitigations=row["mitigations"][:3]))
    )
    html = response.content.decode()

    assert [change.column for change in response.context["changed"][0].changes] == ["title_en", "mitigations"]
    assert "<ins>Renamed &lt;b&gt;</ins>" in html
    assert not Template.objects.filter(title_en="Renamed <b>").exists()

    confirmed = admin.post(IMPORT, {"payload": response.context["payload"]})
    template = Template.objects.get(title_en="Renamed <b>")

    assert confirmed.url == "/admin/risks/template/"
    assert template.mitigations.count() == 3
    assert LogEntry.objects.get().object_id == str(template.pk)


def test_import_page_reports_each_bad_row(admin):
    response = upload(admin, changed(lambda row: row.update(title_en="", title_zh="")))

    assert response.status_code == 422
    assert "Give the template a title in at least one language." in response.content.decode()
    assert response.context["payload"] == ""


def test_import_page_reports_a_file_it_cannot_read_at_the_field(admin):
    response = upload(admin, b"{")

    assert response.status_code == 422
    assert response.context["form"].errors == {"file": [NOT_JSON]}


def test_import_without_a_file_is_refused_at_the_field(admin):
    assert admin.post(IMPORT, {}).context["form"].errors == {"file": ["This field is required."]}


@pytest.mark.parametrize("payload", ["", "x", "a:b:c"])
def test_forged_confirmation_is_refused(admin, payload):
    response = admin.post(IMPORT, {"payload": payload})

    assert response.status_code == 422
    assert "nothing was changed" in response.content.decode()


def test_confirmation_that_no_longer_fits_writes_nothing(admin):
    def reshape(row):
        row.update(team="acme", title_en="Ours")

    team = Team.objects.create(slug="acme", name_en="Acme")
    payload = upload(admin, changed(reshape)).context["payload"]
    team.delete()
    response = admin.post(IMPORT, {"payload": payload})

    assert response.status_code == 422
    assert response.context["faulty"][0].errors == ["team: There is no “acme” here."]
    assert not Template.objects.filter(title_en="Ours").exists()

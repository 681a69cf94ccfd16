"""Matrices in the admin site: saved as a whole, never under a register."""

import pytest

from risks.enums import Level
from risks.models import Matrix, MatrixCell, MatrixLevel, MatrixStep
from risks.queries.matrix import load_matrix
from risks.rules import Actor
from risks.services.matrix import revise_matrix
from tests.admin_site import errors_at, form_data, staff_client, superuser_client, url_of
from tests.rows import remove, save

pytestmark = [pytest.mark.django_db, pytest.mark.ignore_template_errors]
LIST = "/admin/risks/matrix/"


@pytest.fixture
def admin(db):
    return superuser_client()


@pytest.fixture
def free():
    """A matrix that nothing uses: 5×5, score is the product."""
    return Matrix.objects.get(key="product-5x5")


def typed(response):
    """What the browser sends back from the form of a matrix, with all its rows."""
    form = response.context["adminform"].form
    steps = [row for rows in form.steps.values() for row in rows]
    return form_data(response, *steps, *form.levels.values(), *form.cells.values())


def rows_of(matrix):
    return [
        list(model.objects.filter(matrix=matrix).order_by("pk").values_list(*columns))
        for model, columns in (
            (MatrixStep, ("axis", "index", "name_en", "name_zh", "low", "high")),
            (MatrixLevel, ("level", "tone", "name_en", "response_zh")),
            (MatrixCell, ("probability", "impact", "score", "level")),
        )
    ]


def without(data, *names):
    return {name: value for name, value in data.items() if name not in names}


def sentences(response):
    return errors_at(response, "__all__")


def test_change_page_shows_every_cell_with_its_colour(admin, free):
    form = admin.get(url_of(free)).context["adminform"].form

    assert len(form.cells) == 25
    assert [tone for tone, _cell in form.grid_rows[0][1]] == ["yellow", "orange", "orange", "red", "red"]
    assert [number for number, _cells in form.grid_rows] == [5, 4, 3, 2, 1]


def test_saved_unchanged_keeps_every_row(admin, free):
    before = [sorted(rows, key=str) for rows in rows_of(free)]

    response = admin.post(url_of(free), typed(admin.get(url_of(free))))

    assert response.status_code == 302
    assert [sorted(rows, key=str) for rows in rows_of(free)] == before


def test_change_of_a_cell_reaches_those_who_hold_the_matrix(admin, free):
    load_matrix(free)
    data = typed(admin.get(url_of(free))) | {"cell-1-1-score": 2, "cell-1-2-score": 3, "cell-2-1-score": 3}

    admin.post(url_of(free), data | {"cell-1-3-score": 4, "cell-3-1-score": 4})

    assert load_matrix(Matrix.objects.get(pk=free.pk)).cell(1, 1).score == 2


def test_missing_cell_is_refused_with_its_place_and_nothing_is_lost(admin, free):
    before = rows_of(free)
    data = without(typed(admin.get(url_of(free))), "cell-2-3-score", "cell-2-3-level")
    response = admin.post(url_of(free), data | {"probability-1-hint_en": "Typed just now"})
    form = response.context["adminform"].form

    assert sentences(response) == ["The cell 2 × 3 is missing. Give it a score and a level."]
    assert form.steps["probability"][0]["hint_en"].value() == "Typed just now"
    assert form.cells[2, 3].fields["score"].widget.attrs["aria-invalid"] == "true"
    assert rows_of(free) == before


def test_falling_level_is_refused_with_its_place(admin, free):
    before = rows_of(free)
    response = admin.post(url_of(free), typed(admin.get(url_of(free))) | {"cell-5-5-level": Level.LOW})

    assert sentences(response) == [
        "The level falls at the cell 5 × 5. It must not be lower than at a smaller probability or impact."
    ]
    assert rows_of(free) == before


def test_cell_with_score_but_no_level_is_refused_in_the_cell(admin, free):
    response = admin.post(url_of(free), without(typed(admin.get(url_of(free))), "cell-4-4-level"))

    assert response.context["adminform"].form.cells[4, 4].errors == {"level": ["This field is required."]}
    assert sentences(response) == ["Mend the marked fields of the axes, levels and cells."]


def test_gap_between_ranges_is_refused(admin, free):
    response = admin.post(url_of(free), typed(admin.get(url_of(free))) | {"probability-2-low": "0.03"})

    assert sentences(response) == [
        "Level 2 of the axis “probability” must begin where the level below it ends."
    ]


def test_range_that_ends_before_it_begins_is_refused_at_its_end(admin, free):
    response = admin.post(url_of(free), typed(admin.get(url_of(free))) | {"impact-1-high": "-1"})

    assert response.context["adminform"].form.steps["impact"][0].errors == {
        "high": ["The range must end above where it begins."]
    }


def test_level_without_a_word_is_refused_at_the_word(admin, free):
    data = without(typed(admin.get(url_of(free))), "level-2-name_en", "level-2-name_zh")

    assert admin.post(url_of(free), data).context["adminform"].form.levels[2].errors == {
        "name_en": ["Give the level a word in at least one language."]
    }


def test_added_step_shows_its_cells_to_fill(admin, free):
    data = typed(admin.get(url_of(free)))
    data |= {"impact-5-high": "0.5", "impact-6-low": "0.5", "impact-6-name_en": "Fatal"}

    response = admin.post(url_of(free), data)

    assert len(response.context["adminform"].form.cells) == 30
    assert sentences(response) == [
        f"The cell {p} × 6 is missing. Give it a score and a level." for p in range(1, 6)
    ]


def test_removed_top_step_goes_with_its_cells(admin, free):
    data = {name: value for name, value in typed(admin.get(url_of(free))).items() if "impact-5-" not in name}

    admin.post(url_of(free), data)

    assert set(MatrixCell.objects.filter(matrix=free).values_list("impact", flat=True)) == {1, 2, 3, 4}
    assert MatrixStep.objects.filter(matrix=free, axis="impact").count() == 4


def test_removed_middle_step_is_refused(admin, free):
    data = {name: value for name, value in typed(admin.get(url_of(free))).items() if "impact-3-" not in name}

    assert sentences(admin.post(url_of(free), data)) == [
        "Number the levels of the axis “impact” 1, 2, 3 … without a gap."
    ]


@pytest.mark.parametrize("value", ["99999999999", "-1", "x", "1e5", "\x00", "٣"])
def test_odd_score_never_answers_500(admin, free, value):
    data = typed(admin.get(url_of(free))) | {"cell-5-5-score": value, "cell-5-5-level": value}

    assert admin.post(url_of(free), data).status_code == 200


def test_empty_post_is_refused_and_changes_nothing(admin, free):
    before = rows_of(free)

    assert admin.post(url_of(free), {}).status_code == 200
    assert rows_of(free) == before


# --- in use


def test_matrix_in_use_shows_why_and_offers_a_new_version(admin, matrix, register):
    html = admin.get(url_of(matrix)).content.decode()

    assert "This version is in use and never changes" in html
    assert f'action="{url_of(matrix, "revise")}"' in html
    assert "cell-1-1-score" not in html
    assert f'<a href="{url_of(register)}">' in html


def test_matrix_in_use_cannot_be_edited_by_post(admin, free, make_risk, register):
    data = typed(admin.get(url_of(free)))
    register.matrix = free
    save(register)
    before = rows_of(free)

    response = admin.post(url_of(free), data | {"cell-5-5-score": 99, "name_en": "Mine"})
    free.refresh_from_db()

    assert response.status_code == 403
    assert "This version is in use and never changes" in response.content.decode()
    assert (rows_of(free), free.name_en) == (before, "5×5 product")


def test_matrix_in_use_keeps_its_name_but_can_be_switched_off(admin, matrix, register):
    before = rows_of(matrix)
    admin.post(url_of(matrix), {"name_en": "Mine"})
    matrix.refresh_from_db()

    assert (matrix.name_en, matrix.is_active, matrix.is_default) == ("5×5 on a log scale", False, False)
    assert rows_of(matrix) == before


def test_matrix_in_use_is_not_deleted(admin, matrix, register):
    admin.post(url_of(matrix, "delete"), {"post": "yes"})

    assert Matrix.objects.filter(pk=matrix.pk).exists()


def test_new_version_is_an_editable_copy(admin, matrix, register):
    response = admin.post(url_of(matrix, "revise"))
    revised = Matrix.objects.get(key=matrix.key, version=2)

    assert response.url == url_of(revised)
    assert [sorted(rows) for rows in rows_of(revised)[1:]] == [sorted(rows) for rows in rows_of(matrix)[1:]]
    assert (revised.is_active, revised.is_default) == (False, False)
    assert len(admin.get(response.url).context["adminform"].form.cells) == 25


def test_new_version_needs_the_permission_to_add(free):
    assert staff_client("view_matrix").post(url_of(free, "revise")).status_code == 403


def test_matrix_for_a_reader_of_the_staff_is_shown_without_inputs(free):
    html = staff_client("view_matrix").get(url_of(free)).content.decode()

    assert "cell-1-1-score" not in html
    assert 'class="matrix-grid"' in html


# --- new, default, list


def test_new_matrix_begins_as_the_default_and_is_saved_whole(admin, matrix):
    data = typed(admin.get(f"{LIST}add/")) | {"name_en": "Ours", "key": "ours"}

    admin.post(f"{LIST}add/", data)
    made = Matrix.objects.get(key="ours")

    assert rows_of(made)[2] == rows_of(matrix)[2]
    assert made.version == 1


def test_new_matrix_with_a_taken_key_is_refused_at_the_key(admin):
    data = typed(admin.get(f"{LIST}add/")) | {"name_en": "Ours", "key": "log-5x5"}

    assert errors_at(admin.post(f"{LIST}add/", data), "key") == [
        "This key is taken. Open that matrix and make a new version of it."
    ]


def test_new_default_takes_the_place_of_the_old_one(admin, matrix, free):
    admin.post(url_of(free), typed(admin.get(url_of(free))) | {"is_default": "on"})

    assert list(Matrix.objects.filter(is_default=True)) == [free]


def test_default_that_is_not_offered_is_refused(admin, free):
    data = without(typed(admin.get(url_of(free))), "is_active") | {"is_default": "on"}

    assert errors_at(admin.post(url_of(free), data), "is_active") == ["The default matrix has to be offered."]


@pytest.mark.parametrize("pk", ["0", "x", "99999999999999999999"])
def test_unknown_matrix_leads_away(admin, pk):
    assert admin.get(f"{LIST}{pk}/change/").status_code == 302
    assert admin.post(f"{LIST}{pk}/change/", {"cell-1-1-score": 1}).status_code == 302
    assert admin.post(f"{LIST}{pk}/revise/").status_code == 302


def test_list_queries_do_not_grow(admin, count_queries, free):
    remove(Matrix.objects.exclude(pk=free.pk))
    admin.get(LIST)
    one = count_queries(lambda: admin.get(LIST))
    for _number in range(29):
        revise_matrix(free, by=Actor.system(None))

    assert count_queries(lambda: admin.get(LIST)) == one
    assert admin.get(LIST).context["cl"].result_count == 30

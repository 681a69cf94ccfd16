"""The library as it is loaded."""

import pytest
from django.db.models import Count

from risks.enums import MitigationKind
from risks.exceptions import NotAllowed
from risks.models import (
    Category,
    Matrix,
    Team,
    Template,
    TemplateMitigation,
    User,
)
from risks.quant.matrix import problems
from risks.queries.matrix import load_matrix
from risks.rules import Actor
from risks.services.demo import load_demo
from risks.services.library import duplicate_template, load_library
from tests.rows import change, create, remove

NOTHING = {"categories": 0, "matrices": 0, "templates": 0}

pytestmark = pytest.mark.django_db


def test_library_has_its_taxonomy():
    tree = {
        category.key: [sub.key for sub in category.subcategories.all()]
        for category in Category.objects.filter(parent=None)
    }

    assert tree == {
        "technical": ["research", "data"],
        "market": ["competition", "demand"],
        "operational": ["cost", "people"],
        "regulatory": ["privacy", "fairness"],
    }


def test_library_templates_are_complete_in_both_languages():
    texts = [f"{name}_{code}" for name in ("title", "cause", "event", "consequence") for code in ("en", "zh")]
    parts = Template.objects.annotate(
        kinds=Count("mitigations__kind", distinct=True), watched=Count("indicators", distinct=True)
    )

    assert Template.objects.count() == 42
    assert [t.code for t in Template.objects.all() if not all(getattr(t, name) for name in texts)] == []
    assert parts.filter(watched=0).count() == 0
    assert set(TemplateMitigation.objects.values_list("kind", flat=True)) == set(MitigationKind.values)


def test_library_templates_pass_their_own_validation():
    for template in Template.objects.all():
        template.full_clean()
        for part in (*template.mitigations.all(), *template.indicators.all(), *template.references.all()):
            part.full_clean()


def test_library_matrices_are_sound_and_one_is_the_default():
    matrices = list(Matrix.objects.order_by("key"))
    sizes = {
        matrix.key: (len(load_matrix(matrix).probabilities), len(load_matrix(matrix).impacts))
        for matrix in matrices
    }

    assert sizes == {
        "log-5x5": (5, 5), "product-3x3": (3, 3), "product-4x4": (4, 4), "product-5x5": (5, 5),
    }  # fmt: skip
    assert [problems(load_matrix(m).grid, load_matrix(m).levels) for m in matrices] == [[]] * 4
    assert [matrix.key for matrix in matrices if matrix.is_default] == ["log-5x5"]


def test_library_loaded_again_adds_nothing(django_assert_max_num_queries):
    with django_assert_max_num_queries(70):
        assert load_library() == NOTHING


def test_library_loaded_again_keeps_edits():
    change(Template.objects.filter(code="TEC-01"), title_en="Ours", is_active=False)
    change(Category.objects.filter(key="technical"), name_zh="我们的")
    change(Matrix.objects.filter(key="log-5x5"), name_en="Ours")

    assert load_library() == NOTHING
    assert Template.objects.values_list("title_en", "is_active").get(code="TEC-01") == ("Ours", False)
    assert Category.objects.get(key="technical").name_zh == "我们的"
    assert Matrix.objects.get(key="log-5x5").name_en == "Ours"


def test_library_loaded_again_brings_back_what_is_missing():
    remove(Template.objects.filter(code="TEC-01"))

    assert load_library() == NOTHING | {"templates": 1}
    assert Template.objects.get(code="TEC-01").mitigations.count() > 0


def test_library_beside_entries_of_a_team_offers_both(cast):
    technical = Category.objects.get(key="technical")
    own = create(Template, team=cast.team, code="OWN-1", category=technical, title_en="Own")
    foreign = create(Template, team=cast.other_team, code="OWN-1", category=technical, title_en="Own")
    change(Template.objects.filter(code="TEC-01"), is_active=False)

    offered = Template.objects.available_to(cast.team)

    assert (own in offered, foreign in offered, offered.count()) == (True, False, 42)


def test_duplicate_template_copies_every_part_under_a_free_code():
    template = Template.objects.get(code="TEC-01")

    copies = [
        duplicate_template(template, by=Actor.system(None)),
        duplicate_template(template, by=Actor.system(None)),
    ]

    assert [(copy.code, copy.is_active) for copy in copies] == [("TEC-01-2", False), ("TEC-01-3", False)]
    for name in ("mitigations", "indicators", "references"):
        assert [str(part) for part in getattr(copies[0], name).all()] == [
            str(part) for part in getattr(template, name).all()
        ]
    assert Template.objects.get(code="TEC-01").mitigations.count() > 0


# --- the demonstration, where it must not be made


def test_load_demo_outside_demonstration_mode_is_refused(db):
    with pytest.raises(NotAllowed):
        load_demo()

    assert not User.objects.exists()


def test_load_demo_without_the_library_leaves_nothing(db, settings):
    settings.DEMO = True
    remove(Template.objects.all())
    remove(Category.objects.filter(parent__isnull=False))

    with pytest.raises(Category.DoesNotExist):
        load_demo()

    assert not Team.objects.exists()

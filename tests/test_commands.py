"""The management commands: what they do and what they print."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from risks.models import Acceptance, LevelTally, Risk, Template
from risks.models.search import clear_index, search_risks
from tests.rows import remove


def run(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue().strip()


def test_reindex_fills_an_empty_index(make_risk):
    risk = make_risk(title_en="Echo")
    clear_index()

    assert run("reindex") == "2 risks indexed"
    assert list(search_risks(Risk.objects.all(), "echo")) == [risk]


def test_rebuild_tallies_counts_every_register_anew(register, make_risk):
    make_risk(residual=(5, 5))
    LevelTally.objects.all().delete()

    assert run("rebuild_tallies") == "2 registers counted anew"
    assert list(LevelTally.objects.filter(register=register).values_list("level", "delta")) == [(4, 1)]


def test_housekeeping_ends_acceptances(make_risk):
    risk = make_risk(state="accepted")
    Acceptance.objects.filter(risk=risk).update(until_date=timezone.localdate() - timedelta(days=1))

    assert run("housekeeping").splitlines()[0] == "1 acceptances ended"
    assert Risk.objects.get(pk=risk.pk).state == "open"


def test_load_library_adds_what_is_missing(db):
    remove(Template.objects.filter(code="TEC-01"))

    assert run("load_library") == "0 categories, 0 matrices, 1 templates added"


def test_load_demo_outside_demonstration_mode_is_refused(db):
    with pytest.raises(CommandError, match="RISKREG_DEMO=1"):
        call_command("load_demo")


def test_load_demo_twice_says_it_is_there(db, settings):
    settings.DEMO = True

    assert [run("load_demo"), run("load_demo")] == ["demonstration loaded", "demonstration is there already"]

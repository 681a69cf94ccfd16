"""The migrations make the database that the models describe."""

from importlib import import_module
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection


@pytest.mark.django_db
def test_migrations_match_the_models():
    out = StringIO()

    call_command("makemigrations", check=True, dry_run=True, stdout=out)

    assert out.getvalue() == "No changes detected\n"


@pytest.mark.django_db
def test_index_is_dropped_and_made_again():
    migration = import_module("risks.migrations.0002_search")
    editor = connection.schema_editor()
    migration.drop(None, editor)
    without = connection.introspection.table_names()
    migration.create(None, editor)

    assert "risks_search" not in without
    assert "risks_search" in connection.introspection.table_names()

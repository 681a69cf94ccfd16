"""The migrations make the database that the models describe."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection


@pytest.mark.django_db
def test_migrations_match_the_models():
    out = StringIO()

    call_command("makemigrations", check=True, dry_run=True, stdout=out)

    assert out.getvalue() == "No changes detected\n"


@pytest.mark.django_db(transaction=True)
def test_migration_of_the_index_goes_back_and_forth():
    call_command("migrate", "risks", "0001", verbosity=0)
    without = connection.introspection.table_names()
    call_command("migrate", verbosity=0)

    assert "risks_search" not in without
    assert "risks_search" in connection.introspection.table_names()

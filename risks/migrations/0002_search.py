"""The full-text index of risks (see risks/models/search.py)."""

from django.db import migrations

CREATE = {
    "sqlite": [
        "CREATE VIRTUAL TABLE risks_search USING fts5(scope, body, tokenize = 'unicode61 remove_diacritics 0')",
    ],
    "postgresql": [
        "CREATE TABLE risks_search (id bigint PRIMARY KEY, team_id bigint NOT NULL, register_id bigint NOT NULL, body tsvector NOT NULL)",
        "CREATE INDEX risks_search_body ON risks_search USING gin (body)",
    ],
}


def create(apps, schema_editor):
    for sql in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(sql)


def drop(apps, schema_editor):
    schema_editor.execute("DROP TABLE risks_search")


class Migration(migrations.Migration):
    dependencies = [("risks", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]

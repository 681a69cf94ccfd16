"""The database itself refuses to change or remove a line of the trail."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Coalesce

TABLES = ("risks_auditevent", "risks_seal", "risks_sealedline")
MESSAGE = "lines of the trail are never changed or removed"

SQLITE = """
CREATE TRIGGER {table}_no_{act} BEFORE {act} ON {table}
BEGIN SELECT RAISE(ABORT, '{message}'); END
"""
POSTGRESQL_FUNCTION = f"""
CREATE FUNCTION risks_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation'; END $$
"""
POSTGRESQL = """
CREATE TRIGGER {table}_no_{act} BEFORE {act} ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION risks_append_only()
"""


def create_triggers(editor):
    """SQLite drops a table's triggers when Django rebuilds the table: such a migration calls this again."""
    postgresql = editor.connection.vendor == "postgresql"
    if postgresql:
        editor.execute(POSTGRESQL_FUNCTION)
    for table in TABLES:
        for act in ("update", "delete", *(["truncate"] if postgresql else [])):
            statement = POSTGRESQL if postgresql else SQLITE
            editor.execute(statement.format(table=table, act=act, message=MESSAGE))


def drop_triggers(editor):
    postgresql = editor.connection.vendor == "postgresql"
    for table in TABLES:
        for act in ("update", "delete", *(["truncate"] if postgresql else [])):
            editor.execute(f"DROP TRIGGER {table}_no_{act}" + (f" ON {table}" if postgresql else ""))
    if postgresql:
        editor.execute("DROP FUNCTION risks_append_only()")


class Migration(migrations.Migration):
    dependencies = [("risks", "0010_files_refused")]

    operations = [
        migrations.RemoveConstraint("seal", "risks_seal_number_once"),
        migrations.RemoveConstraint("sealedline", "risks_sealedline_position_once"),
        migrations.AddField(
            "auditevent",
            "undoes",
            models.ForeignKey(
                "risks.auditevent", django.db.models.deletion.DO_NOTHING, null=True, related_name="+",
                db_index=False, db_constraint=False,
            ),
        ),
        migrations.RemoveIndex("auditevent", "risks_auditevent_team"),
        migrations.RemoveIndex("auditevent", "risks_auditevent_register"),
        migrations.AddIndex(
            "auditevent",
            models.Index(
                fields=["team", "-happened_at", "-id", "verb", "object_type", "register"],
                name="risks_auditevent_team",
            ),
        ),
        migrations.AddIndex(
            "auditevent",
            models.Index(
                fields=["register", "-happened_at", "-id", "verb", "object_type", "team"],
                name="risks_auditevent_register",
            ),
        ),
        migrations.AddConstraint(
            "seal",
            models.UniqueConstraint(Coalesce("team", 0), models.F("number"), name="risks_seal_number_once"),
        ),
        migrations.AddConstraint(
            "sealedline",
            models.UniqueConstraint(fields=["seal", "position"], name="risks_sealedline_position_once"),
        ),
        migrations.RunPython(
            lambda apps, editor: create_triggers(editor), lambda apps, editor: drop_triggers(editor)
        ),
    ]  # fmt: skip

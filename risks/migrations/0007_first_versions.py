"""Rows that were there before the history began get their first version, dated by their last known change."""

from django.db import migrations

TRACKED = {
    "category": None, "template": "updated_at", "matrix": "created_at", "membership": "created_at",
    "register": "created_at", "risk": "updated_at", "mitigation": "updated_at",
}  # fmt: skip


def keep_first_versions(apps, schema_editor):
    quote = schema_editor.quote_name
    now = "CURRENT_TIMESTAMP"
    for name, dated in TRACKED.items():
        model, history = apps.get_model("risks", name), apps.get_model("risks", f"historical{name}")
        kept = {field.column for field in history._meta.fields if not field.generated}
        columns = ", ".join(quote(f.column) for f in model._meta.fields if f.column in kept)
        at = quote(dated) if dated else now
        schema_editor.execute(
            f"INSERT INTO {quote(history._meta.db_table)} ({columns},"  # nosec B608 - names only
            " history_date, history_change_reason, history_type)"
            f" SELECT {columns}, {at}, '', '+' FROM {quote(model._meta.db_table)}"
            f" ORDER BY {quote(model._meta.pk.column)}"
        )


class Migration(migrations.Migration):
    dependencies = [("risks", "0006_trust")]
    operations = [migrations.RunPython(keep_first_versions, migrations.RunPython.noop)]

"""What is said of a short name that another team has; the table stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("risks", "0011_append_only")]

    operations = [
        migrations.AlterField(
            model_name="team",
            name="slug",
            field=models.SlugField(
                error_messages={"unique": "Another team has this short name. Choose another one."},
                max_length=40,
                unique=True,
                verbose_name="short name in addresses",
            ),
        ),
    ]

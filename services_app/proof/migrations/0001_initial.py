from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Look",
            fields=[
                ("upload_id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "found",
                    models.CharField(
                        blank=True,
                        db_index=True,
                        help_text="codes of what was wrong, with spaces between",
                        max_length=192,
                    ),
                ),
            ],
        ),
    ]

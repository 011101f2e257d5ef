import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("collections", "0003_coordinators"),
        ("grants", "0006_end"),
    ]

    operations = [
        migrations.CreateModel(
            name="Overseen",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until", models.DateTimeField(help_text="when the last such token ends by itself")),
                ("browser", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="grants.browser")),
                ("collection", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="collections.collection")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("browser", "collection"), name="overseen_once")],
            },
        ),
    ]

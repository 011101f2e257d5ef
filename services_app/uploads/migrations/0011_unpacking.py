import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("uploads", "0010_stored")]
    operations = [
        migrations.CreateModel(
            name="Unpacking",
            fields=[
                (
                    "upload",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="unpacking",
                        serialize=False,
                        to="uploads.upload",
                    ),
                ),
                ("done_at", models.DateTimeField(null=True)),
                ("files", models.PositiveIntegerField(help_text="so many, known when it is done", null=True)),
                ("fault", models.CharField(blank=True, help_text="why the last try did not come to its end", max_length=32)),
                ("owner", models.CharField(blank=True, max_length=120)),
                ("lease_until", models.DateTimeField()),
                ("lease_boot", models.CharField(blank=True, max_length=36)),
                ("lease_uptime", models.FloatField(default=0)),
            ],
            options={"indexes": [models.Index(condition=Q(done_at=None), fields=["upload"], name="to_be_unpacked")]},
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    """A row from before counts as one of an earlier boot."""

    dependencies = [("revocations", "0001_initial")]

    operations = [
        migrations.AddField("revocation", "boot", models.CharField(blank=True, default="", max_length=64)),
        migrations.AddField(
            "revocation",
            "uptime",
            models.FloatField(default=0, help_text="of that boot, in seconds: the same moment as kept_until"),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0002_sha512")]

    operations = [
        migrations.AddField(
            "upload",
            "retrievals",
            models.PositiveIntegerField(default=0, help_text="how often its sender asked where to go on"),
        ),
    ]

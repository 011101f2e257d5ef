from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0001_initial")]

    operations = [
        migrations.AddField(
            "upload",
            "sha512_state",
            models.BinaryField(help_text="the same, where a SHA-512 was announced", null=True),
        ),
        migrations.AddField(
            "upload",
            "expected_sha512",
            models.CharField(blank=True, default="", max_length=128),
            preserve_default=False,
        ),
    ]

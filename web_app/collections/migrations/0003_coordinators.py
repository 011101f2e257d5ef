from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collections", "0002_bounds"),
    ]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="coordinates",
            field=models.BooleanField(
                default=False,
                db_default=False,
                help_text="Sees what arrived there from whom, with the names of the files, and exports that list. Reads no file.",
                verbose_name="coordinator",
            ),
        ),
        migrations.AlterField(
            model_name="membership",
            name="may_upload",
            field=models.BooleanField(default=True, help_text="Sends files there.", verbose_name="uploader"),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grants", "0002_stored_uploads")]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="refused",
            field=models.CharField(blank=True, default="", help_text="the code of the last refusal, if nothing was stored", max_length=32),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("uploads", "0006_persons"),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="spoken_for",
            field=models.PositiveBigIntegerField(
                default=0, help_text="bytes that it may hold with what its request brings; while that runs"
            ),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("revocations", "0002_by_uptime"),
    ]

    operations = [
        migrations.AlterField(
            model_name="revocation",
            name="subject",
            field=models.CharField(
                help_text="a UUID, one with a colon and seconds, or a digest",
                max_length=64,
                primary_key=True,
                serialize=False,
            ),
        ),
    ]

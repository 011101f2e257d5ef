from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_end_of_api_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="may",
            field=models.CharField(
                choices=[
                    ("all", "Send files, and see what was sent"),
                    ("upload", "Only send files"),
                    ("read", "Only see what was sent"),
                ],
                default="all",
                db_default="all",
                help_text="What only sends sees nothing but the uploads that it began; what only sees changes nothing.",
                max_length=8,
            ),
        ),
    ]

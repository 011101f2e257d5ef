from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Revocation",
            fields=[
                (
                    "subject",
                    models.CharField(
                        help_text="a UUID, or 43 characters of base64url",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("heard_at", models.DateTimeField(auto_now_add=True)),
                ("kept_until", models.DateTimeField(db_index=True, help_text="later than any token that it is about")),
            ],
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seq", models.BigIntegerField(help_text="number of the newest entry")),
                ("head", models.CharField(help_text="its hash", max_length=64)),
                ("signed", models.TextField(help_text="the JWS")),
                ("kept_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("seq", "head"), name="one_checkpoint_of_an_entry")]},
        ),
    ]

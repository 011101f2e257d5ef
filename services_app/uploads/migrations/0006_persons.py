from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0005_supersedes")]
    operations = [
        migrations.CreateModel(
            name="Person",
            fields=[
                ("sub", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("day", models.DateField(help_text="the last on which one was begun, in UTC")),
                ("begun", models.PositiveIntegerField(default=0, help_text="so many, on that day")),
            ],
        ),
    ]

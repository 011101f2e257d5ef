from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0012_verdict")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="staged_as",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="what tells its bytes under another name (store/whole.py)",
                max_length=48,
            ),
        ),
        migrations.CreateModel(
            name="Progress",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                (
                    "manifests",
                    models.PositiveBigIntegerField(
                        default=0, help_text="the ledger's entry up to which each stored file had its manifest"
                    ),
                ),
            ],
            options={"constraints": [models.CheckConstraint(condition=models.Q(id=1), name="one_progress")]},
        ),
    ]

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_session")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="quota_bytes",
            field=models.BigIntegerField(
                blank=True,
                help_text="What all files of this person may hold, in all collections. Empty: no bound.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(9223372036854775807),
                ],
                verbose_name="quota",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="quota_objects",
            field=models.BigIntegerField(
                blank=True,
                help_text="Likewise, in files.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(9223372036854775807),
                ],
                verbose_name="quota in files",
            ),
        ),
    ]

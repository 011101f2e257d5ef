import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("collections", "0004_words_of_limits")]
    operations = [
        migrations.AddField(
            model_name="collection",
            name="quota_bytes",
            field=models.BigIntegerField(
                blank=True,
                help_text="What all files here may hold together. Empty: no bound but the NAS.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(9223372036854775807),
                ],
                verbose_name="quota",
            ),
        ),
        migrations.AddField(
            model_name="collection",
            name="quota_objects",
            field=models.BigIntegerField(
                blank=True,
                help_text="How many files may be here. Empty: no bound.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(9223372036854775807),
                ],
                verbose_name="quota in files",
            ),
        ),
        migrations.AddField(
            model_name="collection",
            name="quota_bytes_each",
            field=models.BigIntegerField(
                blank=True,
                help_text="What each person's files here may hold. Empty: no bound of their own.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(9223372036854775807),
                ],
                verbose_name="quota of each person",
            ),
        ),
        migrations.AddField(
            model_name="collection",
            name="quota_objects_each",
            field=models.BigIntegerField(
                blank=True,
                help_text="Likewise, in files.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(9223372036854775807),
                ],
                verbose_name="quota of each person in files",
            ),
        ),
    ]

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collections", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="collection",
            name="grants_open",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="At the same time. Empty: no bound but that of the whole place.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="open permissions of a person",
            ),
        ),
        migrations.AddField(
            model_name="collection",
            name="unfinished",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Likewise.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="unfinished uploads of a person",
            ),
        ),
        migrations.AddField(
            model_name="collection",
            name="staged",
            field=models.BigIntegerField(
                blank=True,
                help_text="Likewise. Less than the largest file keeps that out.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(9223372036854775807),
                ],
                verbose_name="bytes in unfinished uploads of a person",
            ),
        ),
    ]

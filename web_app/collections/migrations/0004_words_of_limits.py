import django.core.validators
import web_app.collections.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('collections', '0003_coordinators'),
    ]

    operations = [
        migrations.AlterField(
            model_name='collection',
            name='max_size',
            field=models.BigIntegerField(default=1099511627776, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(9223372036854775807)], verbose_name='largest file'),
        ),
        migrations.AlterField(
            model_name='collection',
            name='media_types',
            field=models.JSONField(blank=True, default=list, help_text="Checked on a file's first bytes, such as application/zip or image/*. Empty: any.", validators=[web_app.collections.models.check_media_types]),
        ),
        migrations.AlterField(
            model_name='collection',
            name='staged',
            field=models.BigIntegerField(blank=True, help_text='Likewise. Less than the largest file keeps that out.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(9223372036854775807)], verbose_name='held by unfinished uploads of a person'),
        ),
        migrations.AlterField(
            model_name='collection',
            name='start_within',
            field=models.PositiveIntegerField(default=900, help_text='Unused permission ends then.', validators=[django.core.validators.MinValueValidator(30)], verbose_name='time to start'),
        ),
        migrations.AlterField(
            model_name='collection',
            name='valid_for',
            field=models.PositiveIntegerField(default=86400, help_text='The hard end of a whole upload.', validators=[django.core.validators.MinValueValidator(60), django.core.validators.MaxValueValidator(604800)], verbose_name='time to finish'),
        ),
    ]

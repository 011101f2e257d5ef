import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_what_a_key_may'),
        ('grants', '0009_indexes_of_lists'),
    ]

    operations = [
        migrations.CreateModel(
            name='Today',
            fields=[
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('day', models.DateField(help_text='of UTC')),
                ('count', models.PositiveIntegerField(default=0)),
            ],
        ),
    ]

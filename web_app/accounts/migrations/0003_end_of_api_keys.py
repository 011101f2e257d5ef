import datetime

from django.db import migrations, models
from django.utils import timezone

import web_app.accounts.models


def bring_forward(apps, schema_editor):
    """What was made to last for longer than a key may ends when one that is made now would."""
    latest = timezone.now() + datetime.timedelta(days=web_app.accounts.models.LONGEST_DAYS)
    apps.get_model("accounts", "ApiKey").objects.filter(expires_at__gt=latest).update(expires_at=latest)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_api_key_scope"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="expires_at",
            field=models.DateTimeField(
                blank=True,
                default=web_app.accounts.models._in_a_year,
                help_text="Nothing that it asked for lasts longer. Empty: in a year.",
                validators=[web_app.accounts.models.check_end],
            ),
        ),
        migrations.RunPython(bring_forward, migrations.RunPython.noop),
    ]

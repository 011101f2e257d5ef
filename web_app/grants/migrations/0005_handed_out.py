import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_end_of_api_keys"),
        ("grants", "0004_revocations"),
    ]

    operations = [
        migrations.CreateModel(
            name="HandedOut",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("issued_at", models.DateTimeField(help_text="the token's `iat`")),
                ("until", models.DateTimeField(db_index=True, help_text="when it ends by itself")),
                (
                    "api_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.apikey"
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="grants.grant"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("grant", "api_key", "issued_at"), name="once_a_second")
                ],
            },
        ),
        migrations.AddField(
            model_name="browser",
            name="sign_in",
            field=models.CharField(
                blank=True, default="", help_text="it ends with what was opened then (browsers.py)", max_length=22
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="revocation",
            name="token",
            field=models.CharField(
                help_text="a grant and a moment: HandedOut", max_length=48, null=True, unique=True
            ),
        ),
        migrations.RemoveConstraint(model_name="revocation", name="of_a_grant_or_a_browser"),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                condition=models.Q(grant__isnull=False, token=None, browser=None)
                | models.Q(grant=None, token__isnull=False, browser=None)
                | models.Q(grant=None, token=None, browser__isnull=False),
                name="of_one_thing",
            ),
        ),
    ]

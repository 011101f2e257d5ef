from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import migrations, models
from django.db.models.deletion import CASCADE


def carry_over(apps, schema_editor):
    """Who is signed in stays signed in. Whose a session is stands in it; empty for what cannot be read."""
    store, sessions = SessionStore(), apps.get_model("accounts", "Session").objects
    before = apps.get_model("sessions", "Session").objects.values_list("session_key", "session_data", "expire_date")
    rows = (
        sessions.model(session_key=key, session_data=data, expire_date=end, person_id=store.decode(data).get("_auth_user_id"))
        for key, data, end in before.iterator()
    )
    sessions.bulk_create(rows, batch_size=500, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_what_a_key_may"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                ("session_key", models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="session key")),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                (
                    "person",
                    models.ForeignKey(
                        db_constraint=False, null=True, on_delete=CASCADE, related_name="sessions", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={"verbose_name": "session", "verbose_name_plural": "sessions", "abstract": False},
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
    ]

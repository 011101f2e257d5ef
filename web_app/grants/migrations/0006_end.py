from django.db import migrations, models


def say_what_the_audit_says(apps, schema_editor):
    """Of what was taken back before: the cause stands in its event."""
    events = apps.get_model("audit", "AuditEvent").objects.filter(action="grant_revoked", subject_kind="grant")
    grants = apps.get_model("grants", "Grant").objects.filter(state="cancelled")
    for subject, fields in events.order_by("id").values_list("subject_id", "fields").iterator():
        if fields:
            grants.filter(id=subject).update(end=fields[0])


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0005_security_events"),
        ("grants", "0005_handed_out"),
    ]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="end",
            field=models.CharField(
                blank=True, default="", db_default="", help_text="why it was given up or taken back", max_length=32
            ),
        ),
        migrations.RunPython(say_what_the_audit_says, migrations.RunPython.noop),
    ]

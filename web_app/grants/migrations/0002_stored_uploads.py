import django.db.models.deletion
from django.db import migrations, models

KEPT = ("upload_id", "size", "sha256", "media_type", "receipt")


def move_receipts(apps, schema_editor):
    """A complete grant holds one upload; one that is still open may bring as many as its token says."""
    grant_model, upload_model = apps.get_model("grants", "Grant"), apps.get_model("grants", "StoredUpload")
    for grant in grant_model.objects.select_related("collection").iterator():
        if grant.upload_id is None:
            grant.max_uploads = grant.collection.max_uploads
            grant.save(update_fields=["max_uploads"])
        else:
            facts = {name: getattr(grant, name) for name in KEPT}
            upload_model.objects.create(grant=grant, durable_at=grant.completed_at, **facts)


def move_receipts_back(apps, schema_editor):
    """Of several, the oldest stays: it is the one that the earlier release would have kept."""
    for upload in apps.get_model("grants", "StoredUpload").objects.order_by("-durable_at", "-upload_id"):
        facts = {name: getattr(upload, name) for name in KEPT}
        apps.get_model("grants", "Grant").objects.filter(id=upload.grant_id).update(
            completed_at=upload.durable_at, state="complete", **facts
        )


class Migration(migrations.Migration):
    dependencies = [("grants", "0001_initial")]

    operations = [
        migrations.AddField("grant", "max_uploads", models.PositiveIntegerField(default=1)),
        migrations.CreateModel(
            name="StoredUpload",
            fields=[
                ("upload_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("size", models.BigIntegerField(help_text="bytes")),
                ("sha256", models.CharField(max_length=64)),
                ("media_type", models.CharField(max_length=255)),
                ("durable_at", models.DateTimeField()),
                ("receipt", models.TextField(help_text="the JWS, as it was signed")),
                (
                    "grant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="stored", to="grants.grant"
                    ),
                ),
            ],
            options={"ordering": ["durable_at", "upload_id"]},
        ),
        migrations.RunPython(move_receipts, move_receipts_back),
        *(migrations.RemoveField("grant", name) for name in (*KEPT, "completed_at")),
    ]

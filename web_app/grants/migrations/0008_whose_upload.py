import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def take_from_the_grant(apps, schema_editor):
    """Whose each stored upload is."""
    Grant, StoredUpload = apps.get_model("grants", "Grant"), apps.get_model("grants", "StoredUpload")
    grant = Grant.objects.filter(pk=OuterRef("grant_id")).order_by()
    StoredUpload.objects.update(uploader=Subquery(grant.values("uploader")), collection=Subquery(grant.values("collection")))


def _key(to: str):
    return models.ForeignKey(
        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", db_index=False, editable=False, to=to
    )


class Migration(migrations.Migration):
    dependencies = [
        ("grants", "0007_overseen"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("storedupload", "uploader", _key(settings.AUTH_USER_MODEL)),
        migrations.AddField("storedupload", "collection", _key("collections.collection")),
        migrations.RunPython(take_from_the_grant, migrations.RunPython.noop),
    ]

from django.db import migrations, models
from django.db.models import Count, Sum


def count(apps, schema_editor):
    Upload, Stored = apps.get_model("uploads", "Upload"), apps.get_model("uploads", "Stored")
    stored = Upload.objects.filter(state="committed").order_by().values_list("grant__collection", "grant__sub")
    Stored.objects.bulk_create(
        Stored(collection=collection, sub=sub, objects_stored=objects, bytes_stored=size)
        for collection, sub, objects, size in stored.annotate(objects=Count("id"), bytes=Sum("size"))
    )


class Migration(migrations.Migration):
    dependencies = [("uploads", "0009_newest_not_stored")]
    operations = [
        migrations.CreateModel(
            name="Stored",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("collection", models.CharField(max_length=63)),
                ("sub", models.CharField(db_index=True, max_length=64)),
                ("objects_stored", models.PositiveBigIntegerField(default=0)),
                ("bytes_stored", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("collection", "sub"), name="one_count_each")],
            },
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]

from django.db import migrations, models

from services_app.uploads.protocols import tus


def forget_tokens(apps, schema_editor):
    uploads = apps.get_model("uploads", "Upload").objects.filter(concat__startswith="final;")
    for upload_id, concat in uploads.values_list("id", "concat").iterator():
        uploads.filter(id=upload_id).update(concat=tus.without_token(concat))


class Migration(migrations.Migration):
    dependencies = [
        ("uploads", "0007_spoken_for"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(("first_used_at", None)), fields=["sub"], name="grants_never_used"
            ),
        ),
        migrations.AlterField(
            model_name="upload",
            name="concat",
            field=models.TextField(blank=True, help_text="tus: Upload-Concat, without the token of its URLs"),
        ),
        migrations.RunPython(forget_tokens, migrations.RunPython.noop),
    ]

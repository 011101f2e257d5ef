from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0008_no_tokens_kept")]
    operations = [
        migrations.AddIndex(
            model_name="upload",
            index=models.Index(condition=models.Q(("durable_at", None)), fields=["grant", "id"], name="newest_not_stored"),
        ),
    ]

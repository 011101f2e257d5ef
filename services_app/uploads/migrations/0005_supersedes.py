from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0004_lease_uptime")]
    operations = [
        migrations.AddField(
            model_name="upload",
            name="supersedes",
            field=models.UUIDField(help_text="the upload that had its slot, and gets it back if this one is refused", null=True),
        ),
    ]

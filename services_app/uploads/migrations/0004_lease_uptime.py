from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads", "0003_retrievals")]
    operations = [
        migrations.AddField(
            model_name="upload",
            name="lease_boot",
            field=models.CharField(
                blank=True, default="", help_text="the boot on which it was renewed last", max_length=36
            ),
        ),
        migrations.AddField(
            model_name="upload",
            name="lease_uptime",
            field=models.FloatField(default=0, help_text="its end on that boot's monotonic clock, in seconds"),
        ),
        migrations.AlterField(
            model_name="upload",
            name="lease_until",
            field=models.DateTimeField(help_text="its end on the database's clock"),
        ),
    ]

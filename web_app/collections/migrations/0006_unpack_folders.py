from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("collections", "0005_quotas")]
    operations = [
        migrations.AddField(
            model_name="collection",
            name="unpack_folders",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="The files of a folder are put beside its archive on the NAS (ADR 0044), which takes its size twice.",
                verbose_name="unpacks folders",
            ),
        ),
    ]

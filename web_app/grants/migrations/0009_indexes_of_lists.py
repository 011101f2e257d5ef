import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_what_a_key_may'),
        ('collections', '0004_words_of_limits'),
        ('grants', '0008_whose_upload'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='storedupload',
            name='grant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='stored', to='grants.grant'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['uploader', 'state', 'created_at'], name='grants_listed_of_one'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['collection', 'state', 'created_at'], name='grants_listed_here'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['uploader', 'collection', 'state', 'created_at'], name='grants_listed_of_one_here'),
        ),
        migrations.AddIndex(
            model_name='storedupload',
            index=models.Index(fields=['grant', 'durable_at', 'upload_id'], name='stored_under'),
        ),
        migrations.AddIndex(
            model_name='storedupload',
            index=models.Index(fields=['uploader', 'durable_at', 'upload_id'], name='stored_of_one'),
        ),
        migrations.AddIndex(
            model_name='storedupload',
            index=models.Index(fields=['collection', 'durable_at', 'uploader', 'size'], name='stored_here'),
        ),
        migrations.AddIndex(
            model_name='storedupload',
            index=models.Index(fields=['uploader', 'collection', 'durable_at', 'upload_id'], name='stored_of_one_here'),
        ),
        migrations.AddIndex(
            model_name='storedupload',
            index=models.Index(fields=['uploader', 'size', 'durable_at'], name='largest_of_one'),
        ),
        migrations.AddIndex(
            model_name='storedupload',
            index=models.Index(fields=['collection', 'size', 'durable_at'], name='largest_here'),
        ),
    ]

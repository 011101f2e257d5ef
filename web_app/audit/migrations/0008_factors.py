from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0007_links_and_sessions'),
    ]

    operations = [
        migrations.AlterField(
            model_name='auditevent',
            name='action',
            field=models.CharField(choices=[('signed_in', 'Signed In'), ('signed_out', 'Signed Out'), ('sign_in_failed', 'Sign In Failed'), ('sign_in_throttled', 'Sign In Throttled'), ('grant_issued', 'Grant Issued'), ('grant_renewed', 'Grant Renewed'), ('grant_cancelled', 'Grant Cancelled'), ('grant_revoked', 'Grant Revoked'), ('grant_completed', 'Grant Completed'), ('grant_expired', 'Grant Expired'), ('upload_stored', 'Upload Stored'), ('names_read', 'Names Read'), ('exported', 'Exported'), ('api_key_created', 'Api Key Created'), ('api_key_first_used', 'Api Key First Used'), ('api_key_revoked', 'Api Key Revoked'), ('password_changed', 'Password Changed'), ('password_link_sent', 'Password Link Sent'), ('session_ended', 'Session Ended'), ('factor_added', 'Factor Added'), ('factor_removed', 'Factor Removed'), ('factor_used', 'Factor Used'), ('factor_refused', 'Factor Refused'), ('recovery_codes_made', 'Recovery Codes Made'), ('added', 'Added'), ('changed', 'Changed'), ('deleted', 'Deleted')], max_length=32),
        ),
    ]

from django.db import models


class Look(models.Model):
    """When a stored file was last read as a whole and compared (verify_store)."""

    upload_id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    found = models.CharField(max_length=192, blank=True, db_index=True, help_text="codes of what was wrong, with spaces between")

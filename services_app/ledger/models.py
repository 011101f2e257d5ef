from django.db import models


class Entry(models.Model):
    """One thing that happened to bytes. Written by `record.append` alone, never changed.

    Each entry's hash covers its own content and the hash before it, so a change or a gap anywhere shows in every later
    entry, and so in every later receipt.
    """

    seq = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    event = models.CharField(max_length=16)
    upload_id = models.UUIDField(db_index=True)
    grant_id = models.UUIDField(db_index=True)
    facts = models.JSONField()
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["seq"]

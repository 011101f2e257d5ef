"""Permissions to upload, and what became of them. No file name, here or anywhere in this database."""

from django.conf import settings
from django.db import models

from web_app.collections.models import Collection
from web_app.grants.ids import uuid7
from web_app.grants.states import State, check_transition


class Grant(models.Model):
    # The token's `jti`.
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    uploader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="grants")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="grants")
    state = models.CharField(max_length=16, choices=State, default=State.ISSUED)

    # What the token says beyond the collection's limits at that time.
    max_size = models.BigIntegerField()
    max_uploads = models.PositiveIntegerField(default=1)
    declared_size = models.BigIntegerField(null=True)
    declared_sha256 = models.CharField(max_length=64, blank=True)
    bound_to_browser = models.BooleanField()
    created_at = models.DateTimeField()
    start_by = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        # UUIDv7 sorts by time.
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["uploader", "-id"], name="grants_of_one"),
            models.Index(fields=["state", "expires_at"], name="grants_open"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def move_to(self, state: State) -> None:
        """Only inside a transaction that read this row for update. Raises TransitionRefused."""
        check_transition(self.state, state)
        self.state = state


class StoredUpload(models.Model):
    """One object that a grant brought, as the services tier's receipt says."""

    upload_id = models.UUIDField(primary_key=True, editable=False)
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="stored")
    size = models.BigIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=255)
    durable_at = models.DateTimeField()
    receipt = models.TextField(help_text="the JWS, as it was signed")

    class Meta:
        ordering = ["durable_at", "upload_id"]

    def __str__(self) -> str:
        return str(self.upload_id)

import uuid

from django.db import models
from django.db.models import Q

from .ids import uuid7
from .states import State


class Grant(models.Model):
    """What this tier knows of a grant: that its token was seen, when it was first used, and the last refusal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, help_text="the token's jti")
    sub = models.CharField(max_length=64)
    collection = models.CharField(max_length=63)
    first_used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    last_refusal = models.CharField(max_length=32, blank=True)


class Upload(models.Model):
    """One upload under a grant.

    `slot` numbers the objects that a grant allows; it is held from claimed to committed and given back on abort. The
    UNIQUE constraint over it is what makes a token single use.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="uploads")
    slot = models.PositiveIntegerField(null=True)
    state = models.CharField(max_length=10, default=State.RECEIVING, choices=[(s, s) for s in State])
    # Who may write now: a request holds the lease of one generation; a takeover raises the number.
    generation = models.PositiveIntegerField(default=1)
    lease_until = models.DateTimeField()
    owner = models.CharField(max_length=120, help_text="the process that holds it: leases.owner()")
    length = models.PositiveBigIntegerField(null=True, help_text="declared bytes, if any")
    received_at = models.DateTimeField()
    safe_name = models.CharField(max_length=255)
    # Known from `committing` on.
    size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    media_type = models.CharField(max_length=192, blank=True)
    # Known from `committed` on.
    durable_at = models.DateTimeField(null=True)
    receipt = models.TextField(blank=True)
    # Why it was aborted.
    problem = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["grant", "slot"], name="one_upload_per_slot"),
            models.CheckConstraint(
                condition=Q(slot__isnull=True) | ~Q(state=State.ABORTED), name="aborted_uploads_hold_no_slot"
            ),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="running_uploads")]

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


class Protocol(models.TextChoices):
    """Which protocol an upload speaks; it is stored with it, and no other may go on with it but a plain question."""

    WHOLE = "whole"  # PUT of a whole file
    TUS = "tus"
    IETF = "ietf"


class Upload(models.Model):
    """One upload under a grant.

    `slot` numbers the objects that a grant allows; it is held from created to committed and given back on abort. The
    UNIQUE constraint over it is what makes a token single use. Parts of a concatenation hold none, and neither does an upload that
    waits while a newer one has its slot: it stands aside until that one cannot be refused any more (`supersedes`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="uploads")
    slot = models.PositiveIntegerField(null=True)
    supersedes = models.UUIDField(null=True, help_text="the upload that had its slot, and gets it back if this one is refused")
    protocol = models.CharField(max_length=5, choices=Protocol)
    state = models.CharField(max_length=10, default=State.WAITING, choices=[(s, s) for s in State])

    # Who may write. `generation` is the request that writes or wrote last; a newer one raises `contender`, upon which
    # the older stops before its next write (leases.py).
    generation = models.PositiveIntegerField(default=0)
    contender = models.PositiveIntegerField(default=0)
    retrievals = models.PositiveIntegerField(default=0, help_text="how often its sender asked where to go on")
    lease_until = models.DateTimeField(help_text="its end on the database's clock")
    lease_boot = models.CharField(
        max_length=36, blank=True, default="", help_text="the boot on which it was renewed last"
    )
    lease_uptime = models.FloatField(default=0, help_text="its end on that boot's monotonic clock, in seconds")
    owner = models.CharField(max_length=120, blank=True, help_text="the process that holds it: leases.owner()")

    # What is safe: `offset` bytes are durable in staging and make this digest. It never goes down.
    offset = models.PositiveBigIntegerField(default=0)
    digest_state = models.BinaryField(null=True)
    sha512_state = models.BinaryField(null=True, help_text="the same, where a SHA-512 was announced")
    length = models.PositiveBigIntegerField(null=True, help_text="declared bytes, once known")
    expected_sha256 = models.CharField(max_length=64, blank=True, help_text="of the whole file, as its sender says")
    expected_sha512 = models.CharField(max_length=128, blank=True)
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="idle end; every append moves it")
    safe_name = models.CharField(max_length=255)
    metadata = models.TextField(blank=True, help_text="tus: Upload-Metadata as sent")
    concat = models.TextField(blank=True, help_text="tus: Upload-Concat as sent")

    # Known from `committing` on; the type as soon as enough bytes are there.
    media_type = models.CharField(max_length=192, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    # Known from `committed` on.
    durable_at = models.DateTimeField(null=True)
    receipt = models.TextField(blank=True)
    terminated = models.BooleanField(default=False, help_text="its sender wants to hear no more of it")
    # Why it was aborted, or why its last request ended early.
    problem = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["grant", "slot"], name="one_upload_per_slot"),
            models.CheckConstraint(
                condition=Q(slot__isnull=True) | ~Q(state=State.ABORTED), name="aborted_uploads_hold_no_slot"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "lease_until"], name="running_uploads"),
            models.Index(fields=["owner", "state"], name="uploads_of_a_process"),
        ]

    @property
    def stands_aside(self) -> bool:
        """Whether it waits for what becomes of a newer one, and nobody may go on with it meanwhile."""
        return self.state == State.WAITING and self.slot is None and self.concat != "partial"

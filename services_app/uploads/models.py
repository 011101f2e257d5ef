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

    class Meta:
        indexes = [models.Index(fields=["sub"], condition=Q(first_used_at=None), name="grants_never_used")]


class Person(models.Model):
    """How many uploads somebody began on one day (bounds.py)."""

    sub = models.CharField(max_length=64, primary_key=True)
    day = models.DateField(help_text="the last on which one was begun, in UTC")
    begun = models.PositiveIntegerField(default=0, help_text="so many, on that day")


class Stored(models.Model):
    """What a person has stored in a collection, counted with each commit and deletion (quotas.py)."""

    collection = models.CharField(max_length=63)
    sub = models.CharField(max_length=64, db_index=True)
    objects_stored = models.PositiveBigIntegerField(default=0)
    bytes_stored = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "sub"], name="one_count_each")]


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
    spoken_for = models.PositiveBigIntegerField(
        default=0, help_text="bytes that it may hold with what its request brings; while that runs"
    )
    digest_state = models.BinaryField(null=True)
    sha512_state = models.BinaryField(null=True, help_text="the same, where a SHA-512 was announced")
    length = models.PositiveBigIntegerField(null=True, help_text="declared bytes, once known")
    expected_sha256 = models.CharField(max_length=64, blank=True, help_text="of the whole file, as its sender says")
    expected_sha512 = models.CharField(max_length=128, blank=True)
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="idle end; every append moves it")
    safe_name = models.CharField(max_length=255)
    metadata = models.TextField(blank=True, help_text="tus: Upload-Metadata as sent")
    concat = models.TextField(blank=True, help_text="tus: Upload-Concat, without the token of its URLs")

    # Known from `committing` on; the type as soon as enough bytes are there.
    media_type = models.CharField(max_length=192, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    staged_as = models.CharField(
        max_length=48, blank=True, default="", db_default="", help_text="what tells its bytes under another name (store/whole.py)"
    )
    # Known from `committed` on.
    durable_at = models.DateTimeField(null=True)
    receipt = models.TextField(blank=True)
    verdict = models.CharField(
        max_length=11, blank=True, default="", db_default="", help_text="released or quarantined, once that is known (verdicts.py)"
    )
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
            models.Index(fields=["grant", "id"], condition=Q(durable_at=None), name="newest_not_stored"),
            models.Index(fields=["id"], condition=Q(verdict="quarantined"), name="quarantined_uploads"),
        ]

    @property
    def stands_aside(self) -> bool:
        """Whether it waits for what becomes of a newer one, and nobody may go on with it meanwhile."""
        return self.state == State.WAITING and self.slot is None and self.concat != "partial"

    @property
    def held(self) -> int:
        """Bytes that are safe, or that the request that runs has spoken for."""
        return max(self.offset, self.spoken_for) if self.state == State.RECEIVING else self.offset

    def is_all(self, size: int, *, by_length: bool = False) -> bool:
        """Whether nothing but the commit is missing once it holds `size` bytes. An upload of the draft is complete when its sender
        says so, unless a request goes `by_length`; a part of a concatenation waits for the others.
        """
        return size == self.length and self.concat != "partial" and (by_length or self.protocol != Protocol.IETF)


class Unpacking(models.Model):
    """The archive of a folder whose files are to lie beside it, or do (unpack.py). Made with the commit of its upload."""

    MEDIA_TYPE = "application/x-tar"  # of each: nobody looks for one behind another type
    PASSING = ("", "no_space", "store_unavailable")  # faults with which it is tried again, and needs room

    upload = models.OneToOneField(Upload, on_delete=models.CASCADE, primary_key=True, related_name="unpacking")
    done_at = models.DateTimeField(null=True)
    files = models.PositiveIntegerField(null=True, help_text="so many, known when it is done")
    fault = models.CharField(max_length=32, blank=True, help_text="why the last try did not come to its end")

    # Who is at it: as of an upload (leases.py).
    owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField()
    lease_boot = models.CharField(max_length=36, blank=True)
    lease_uptime = models.FloatField(default=0)

    class Meta:
        indexes = [models.Index(fields=["upload"], condition=Q(done_at=None), name="to_be_unpacked")]


class Progress(models.Model):
    """How far `recover` has come with what it need not look at twice. One row at most."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    manifests = models.PositiveBigIntegerField(default=0, help_text="the ledger's entry up to which each stored file had its manifest")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_progress")]

"""What people did. Rows are only ever added, and only by `record`."""

from django.conf import settings
from django.db import models


class AppendOnly(Exception):
    """Somebody tried to change or remove an audit event."""


class AuditEventQuerySet(models.QuerySet):
    def _refuse(self, *args, **kwargs):
        raise AppendOnly

    create = bulk_create = get_or_create = update_or_create = _refuse
    update = bulk_update = delete = _delete = _update = _raw_delete = _refuse


class Action(models.TextChoices):
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGN_IN_THROTTLED = "sign_in_throttled"
    GRANT_ISSUED = "grant_issued"
    GRANT_RENEWED = "grant_renewed"
    GRANT_CANCELLED = "grant_cancelled"
    GRANT_REVOKED = "grant_revoked"
    GRANT_COMPLETED = "grant_completed"
    GRANT_EXPIRED = "grant_expired"
    UPLOAD_STORED = "upload_stored"
    NAMES_READ = "names_read"  # of what others sent
    EXPORTED = "exported"
    API_KEY_CREATED = "api_key_created"
    API_KEY_FIRST_USED = "api_key_first_used"
    API_KEY_REVOKED = "api_key_revoked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a word, no password
    PASSWORD_LINK_SENT = "password_link_sent"  # noqa: S105
    SESSION_ENDED = "session_ended"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_USED = "factor_used"
    FACTOR_REFUSED = "factor_refused"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


class SecurityEvent(models.Model):
    """So many refusals of one kind in one hour, by whom as far as that is known. Written by `security` alone, pruned with time."""

    hour = models.DateTimeField()
    kind = models.CharField(max_length=32)
    person = models.CharField("uploader id", max_length=64, blank=True)
    api_key = models.CharField("API key's prefix", max_length=12, blank=True)
    network = models.CharField(max_length=43, blank=True, help_text="an IPv4 address, or an IPv6 network")
    count = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["-hour", "-count"]
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "kind", "person", "api_key", "network"], name="one_row_an_hour_for_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.count}"


class AuditEvent(models.Model):
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    action = models.CharField(max_length=32, choices=Action)
    # Empty: nobody was signed in (a failed log-in), or a command did it.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # What kind of thing, and its id: `grant` and a UUID, `collection` and a slug, …
    subject_kind = models.CharField(max_length=32, blank=True)
    subject_id = models.CharField(max_length=64, blank=True)
    # Whose thing that is, where it is a person's. It may outlive the person: what others did to an account is no past of its own.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    # Names of the fields that an operator changed; never their contents.
    fields = models.JSONField(default=list, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        base_manager_name = "objects"
        indexes = [models.Index(fields=["subject_kind", "subject_id"], name="audit_subject")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_kind} {self.subject_id}".strip()

    def save(self, *args, **kwargs):
        if not self._state.adding:
            raise AppendOnly
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs):
        raise AppendOnly

"""People, the keys of their scripts, and tries to log in."""

import hashlib
import secrets

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone


def new_uploader_id() -> str:
    return secrets.token_urlsafe(16)


class User(AbstractUser):
    # All that the services tier ever learns of a person: a token's and a receipt's `sub`.
    uploader_id = models.CharField(
        max_length=64,
        unique=True,
        editable=False,
        default=new_uploader_id,
        validators=[RegexValidator(r"\A[A-Za-z0-9_-]{1,64}\Z")],
    )


class ApiKey(models.Model):
    """`slk_<prefix>_<secret>`. The prefix finds the row; of the secret only the digest is kept.

    The secret holds 256 random bits, so one fast SHA-256 is enough: there is nothing to guess.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(max_length=80, blank=True)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_sha256 = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until revoked.")
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"slk_{self.prefix}_…"

    @property
    def is_usable(self) -> bool:
        in_time = self.expires_at is None or timezone.now() < self.expires_at
        return in_time and self.revoked_at is None and self.user.is_active


def secret_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class SignInTries(models.Model):
    """Tries to log in within one window, under a keyed digest of account or address: see `throttle`."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    window_ends_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "sign-in tries"

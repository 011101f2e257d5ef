"""People, what they sign in with, the keys of their scripts, and tries to log in."""

import datetime
import hashlib
import secrets

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from web_app.accounts.permissions import PermissionQuerySet, password_changed


def quota(name: str, help_text: str) -> models.BigIntegerField:
    """The most bytes, or files, that may be stored and under way; none for no bound (ADR 0041)."""
    most = MaxValueValidator(2**63 - 1)
    return models.BigIntegerField(name, null=True, blank=True, validators=[MinValueValidator(1), most], help_text=help_text)


def new_uploader_id() -> str:
    return secrets.token_urlsafe(16)


class People(UserManager.from_queryset(PermissionQuerySet)):
    use_in_migrations = False


class User(AbstractUser):
    # All that the services tier ever learns of a person: a token's and a receipt's `sub`.
    uploader_id = models.CharField(
        max_length=64,
        unique=True,
        editable=False,
        default=new_uploader_id,
        validators=[RegexValidator(r"\A[A-Za-z0-9_-]{1,64}\Z")],
    )

    quota_bytes = quota("quota", "What all files of this person may hold, in all collections. Empty: no bound.")
    quota_objects = quota("quota in files", "Likewise, in files.")

    objects = People()

    _is_shut = False

    def set_unusable_password(self):
        super().set_unusable_password()
        self._is_shut = True

    def save(self, *args, **kwargs):
        # Django's own mark for a new password; it is not set where an old one is only hashed anew, nor where there is to be none.
        is_new_password = (self._password is not None or self._is_shut) and not self._state.adding
        super().save(*args, **kwargs)
        self._is_shut = False
        if is_new_password:
            password_changed.send(sender=type(self), user=self)


class Session(AbstractBaseSession):
    """Django's row, and whose it is (sessions.py)."""

    # Nobody waits for a person who is being removed at that moment: no constraint.
    person = models.ForeignKey(User, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="sessions")

    @classmethod
    def get_session_store_class(cls):
        from web_app.accounts.sessions import SessionStore

        return SessionStore

    def __str__(self) -> str:
        return "session"  # not its key, which opens it: Django's admin shows what goes with a person who is removed


class Totp(models.Model):
    """A person's authenticator app (factors/totp.py). `sealed`: the secret that both know (factors/sealing.py). `last_step`: no code of
    this step, or of one before it, counts any more.
    """

    person = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp")
    sealed = models.CharField(max_length=255)
    last_step = models.BigIntegerField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "authenticator app"

    def __str__(self) -> str:
        return "authenticator app"


class Passkey(models.Model):
    """A credential of WebAuthn (factors/passkeys.py). `credential`: its id and public key, in base64. `signed`: how often its authenticator
    said that it had signed. `last_asked_at`: nothing that was asked for then (ns), or before, counts any more.
    """

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=80)
    credential_id = models.CharField(max_length=1364, unique=True)  # 1023 bytes in base64url
    credential = models.TextField()
    signed = models.BigIntegerField()
    last_asked_at = models.BigIntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["made_at", "pk"]

    def __str__(self) -> str:
        return "passkey"


class RecoveryCode(models.Model):
    """Of ten, good once (factors/recovery.py)."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "digest"], name="one_row_for_a_recovery_code")]

    def __str__(self) -> str:
        return "recovery code"


LONGEST_DAYS = 3650  # that a key may last, however it is made


def check_end(moment: datetime.datetime) -> None:
    """Raises ValidationError for a key that is to last too long."""
    if moment > timezone.now() + datetime.timedelta(days=LONGEST_DAYS):
        raise ValidationError(f"A key ends after {LONGEST_DAYS} days at the latest.", code="too_late")


def _in_a_year() -> datetime.datetime:
    return timezone.now() + datetime.timedelta(days=365)


class May(models.TextChoices):
    """What a key may do. Each can ask for `/api/v1/whoami` and the collections."""

    ALL = "all", _("Send files, and see what was sent")
    UPLOAD = "upload", _("Only send files")
    READ = "read", _("Only see what was sent")


class ApiKey(models.Model):
    """`slk_<prefix>_<secret>`. The prefix finds the row; of the secret only the digest is kept.

    The secret holds 256 random bits, so one fast SHA-256 is enough: there is nothing to guess.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(max_length=80, blank=True)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_sha256 = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(
        default=_in_a_year,
        blank=True,
        validators=[check_end],
        help_text="Nothing that it asked for lasts longer. Empty: in a year.",
    )
    collections = models.ManyToManyField(
        "collections.Collection",
        blank=True,
        related_name="+",
        help_text="Where it may upload. Empty: wherever its owner may.",
    )
    may = models.CharField(
        max_length=8,
        choices=May,
        default=May.ALL,
        db_default=May.ALL,
        help_text="What only sends sees nothing but the uploads that it began; what only sees changes nothing.",
    )
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = PermissionQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"slk_{self.prefix}_…"

    def save(self, *args, **kwargs):
        check_end(self.expires_at)  # not by a form alone
        super().save(*args, **kwargs)

    @property
    def is_usable(self) -> bool:
        return timezone.now() < self.expires_at and self.revoked_at is None and self.user.is_active

    @property
    def only_sees(self) -> bool:
        return self.may == May.READ

    @property
    def only_sends(self) -> bool:
        return self.may == May.UPLOAD


def secret_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class SignInTries(models.Model):
    """Tries to log in within one window, under a keyed digest of account or address: see `throttle`."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    window_ends_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "sign-in tries"

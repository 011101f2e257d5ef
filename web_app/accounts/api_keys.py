"""Makes, checks and revokes API keys."""

import datetime
import hmac
import re
import secrets
import string

from django.db import transaction
from django.utils import timezone

from web_app.accounts.models import ApiKey, User, secret_digest
from web_app.audit.models import Action
from web_app.audit.record import Who, record

_FORM = re.compile(r"slk_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_PREFIX_LETTERS = string.ascii_lowercase + string.digits
# Every request writing "last used" would make reads into writes.
_LAST_USED_STEP = datetime.timedelta(minutes=5)


def create(user: User, *, label: str, expires_at: datetime.datetime | None, who: Who) -> tuple[ApiKey, str]:
    """The stored key and the full text, which cannot be had again."""
    prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            user=user, label=label, prefix=prefix, secret_sha256=secret_digest(secret), expires_at=expires_at
        )
        record(who, Action.API_KEY_CREATED, "apikey", prefix)
    return key, f"slk_{prefix}_{secret}"


def revoke(key: ApiKey, *, who: Who) -> None:
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(who, Action.API_KEY_REVOKED, "apikey", key.prefix)


def find(text: str) -> ApiKey | None:
    """The usable key that `text` is, else None: the caller cannot tell why not."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    key = ApiKey.objects.select_related("user").filter(prefix=match[1]).first()
    known = key.secret_sha256 if key else "0" * 64
    if not hmac.compare_digest(known, secret_digest(match[2])) or key is None or not key.is_usable:
        return None
    return key


def note_use(key: ApiKey, *, address: str | None) -> None:
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < _LAST_USED_STEP:
        return
    with transaction.atomic():
        first = ApiKey.objects.filter(pk=key.pk, last_used_at=None).update(last_used_at=now)
        if first:
            record(Who(key.user, address), Action.API_KEY_FIRST_USED, "apikey", key.prefix)
        else:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)

"""Makes, checks and revokes API keys."""

import datetime
import hmac
import re
import secrets
import string
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from web_app.accounts.models import ApiKey, May, User, secret_digest
from web_app.audit.models import Action
from web_app.audit.record import Who, record

if TYPE_CHECKING:
    from web_app.collections.models import Collection

_FORM = re.compile(r"slk_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_PREFIX_LETTERS = string.ascii_lowercase + string.digits
# What people make for themselves is bounded: a key lives that long at most, and one person makes no more.
OWN_DAYS = 366
OWN_USABLE = 20
OWN_A_DAY = 20  # made within 24 hours, also if they were ended at once: each is a row for ever

# Every request writing "last used" would make reads into writes.
_LAST_USED_STEP = datetime.timedelta(minutes=5)


def create(
    user: User,
    *,
    label: str,
    who: Who,
    expires_at: datetime.datetime | None = None,
    collections: Iterable["Collection"] = (),
    may: May = May.ALL,
) -> tuple[ApiKey, str]:
    """The stored key and the full text, which cannot be had again. It ends after a year, unless told otherwise, and is good for
    these collections (none: wherever its owner may). Raises ValidationError for an end that is too far ahead.
    """
    prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            user=user,
            label=label,
            prefix=prefix,
            secret_sha256=secret_digest(secret),
            may=may,
            **({"expires_at": expires_at} if expires_at else {}),
        )
        key.collections.set(collections)
        record(who, Action.API_KEY_CREATED, "apikey", prefix, person=user)
    return key, f"slk_{prefix}_{secret}"


class NotMade(Exception):
    """Why a person gets no other key, in words for that person."""


def usable_of(user: User) -> QuerySet[ApiKey]:
    return user.api_keys.filter(revoked_at=None, expires_at__gt=timezone.now())


def make_own(user: User, *, label: str, **given) -> tuple[ApiKey, str]:
    """`create` for oneself. Raises NotMade for a name that one of theirs has (a form that is sent twice makes one key), and over a
    bound.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)  # one after the other, or they would not be counted
        usable = usable_of(user)
        if usable.filter(label=label).exists():
            raise NotMade(_("You have a key of that name already. End it first, or choose another name."))
        if usable.count() >= OWN_USABLE:
            raise NotMade(_("You have %(count)s keys already. End one that is not needed.") % {"count": OWN_USABLE})
        if user.api_keys.filter(created_at__gt=timezone.now() - datetime.timedelta(days=1)).count() >= OWN_A_DAY:
            raise NotMade(_("%(count)s keys were made for you within a day. Make another one tomorrow.") % {"count": OWN_A_DAY})
        return create(user, label=label, **given)


def revoke(key: ApiKey, *, who: Who) -> None:
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(who, Action.API_KEY_REVOKED, "apikey", key.prefix, person=key.user)


def revoke_all_of(user: User, *, who: Who) -> None:
    for key in ApiKey.objects.select_related("user").filter(user=user, revoked_at=None):
        revoke(key, who=who)


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


def named_in(text: str) -> ApiKey | None:
    """The key whose name stands in `text`, whether or not the rest is right: for who looks at what was refused."""
    match = _FORM.fullmatch(text)
    return ApiKey.objects.select_related("user").filter(prefix=match[1]).first() if match is not None else None


def note_use(key: ApiKey, *, address: str | None) -> None:
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < _LAST_USED_STEP:
        return
    with transaction.atomic():
        first = ApiKey.objects.filter(pk=key.pk, last_used_at=None).update(last_used_at=now)
        if first:
            record(Who(key.user, address), Action.API_KEY_FIRST_USED, "apikey", key.prefix, person=key.user)
        else:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)

"""A secret that must be read again, and so cannot be a digest, is kept sealed: who has the database alone has nothing (ADR 0046).

With a key made of SECRET_KEY, for one person: what is moved to another person's row does not open there.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

_SALT = "web_app.accounts.factors.sealing"


class NotOpened(Exception):
    """Sealed under no SECRET_KEY that is here, or for somebody else."""


def seal(secret: bytes, uploader_id: str) -> str:
    return _box(uploader_id).encrypt(secret).decode()


def opened(sealed: str, uploader_id: str) -> bytes:
    """Raises NotOpened."""
    try:
        return _box(uploader_id).decrypt(sealed)
    except InvalidToken as exc:
        raise NotOpened from exc


def _box(uploader_id: str) -> MultiFernet:
    """Seals with the newest key, opens with each."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    made = (salted_hmac(_SALT, uploader_id, secret=key, algorithm="sha256").digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(one)) for one in made])

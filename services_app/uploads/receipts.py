from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from joserfc.errors import JoseError

from services_app.config.watched import Watched
from services_app.receipts.issue import ReceiptIssuer
from services_app.receipts.read import StatementReader, keys_of

issuer: Watched[ReceiptIssuer] = Watched(
    "RECEIPT_KEY_FILE",
    lambda: [settings.RECEIPT_KEY_FILE],
    lambda: ReceiptIssuer.from_file(settings.RECEIPT_KEY_FILE, settings.RECEIPT_ISSUER),
)


def reader(more: Path | None = None) -> StatementReader:
    """For commands, which live too briefly to watch the file. `more`: a JWK Set of public halves, as of keys that were retired.

    Raises ImproperlyConfigured.
    """
    try:
        return StatementReader([key for path in (settings.RECEIPT_KEY_FILE, more) if path for key in keys_of(path)])
    except (OSError, ValueError, KeyError, TypeError, JoseError) as exc:
        raise ImproperlyConfigured(f"the receipt keys cannot be read ({type(exc).__name__}).") from exc

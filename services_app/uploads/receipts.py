from functools import lru_cache

from django.conf import settings

from services_app.receipts.issue import ReceiptIssuer


@lru_cache(maxsize=1)
def issuer() -> ReceiptIssuer:
    """The configured issuer. Keys are read once: a rotation reloads the processes."""
    return ReceiptIssuer.from_file(settings.RECEIPT_KEY_FILE, settings.RECEIPT_ISSUER)

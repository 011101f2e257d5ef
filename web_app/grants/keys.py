"""The keys this process signs and checks with, read once: `checks` has refused to start where they are unusable."""

from functools import cache

from django.conf import settings

from web_app.receipts.verify import ReceiptVerifier
from web_app.tokens.issue import TokenSigner


@cache
def token_signer() -> TokenSigner:
    return TokenSigner.from_file(settings.TOKEN_KEY_FILE)


@cache
def receipt_verifier() -> ReceiptVerifier:
    return ReceiptVerifier.from_file(settings.RECEIPT_JWKS_FILE, settings.RECEIPT_ISSUER)

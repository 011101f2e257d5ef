"""The keys this process signs and checks with, the newest that are good: `checks` has refused to start where there are none."""

from django.conf import settings

from web_app.config.watched import Watched
from web_app.receipts.verify import ReceiptVerifier
from web_app.tokens.issue import TokenSigner

token_signer: Watched[TokenSigner] = Watched(
    "TOKEN_KEY_FILE",
    lambda: [settings.TOKEN_KEY_FILE],
    lambda: TokenSigner.from_file(settings.TOKEN_KEY_FILE),
)

receipt_verifier: Watched[ReceiptVerifier] = Watched(
    "RECEIPT_JWKS_FILE",
    lambda: [settings.RECEIPT_JWKS_FILE],
    lambda: ReceiptVerifier.from_file(settings.RECEIPT_JWKS_FILE, settings.RECEIPT_ISSUER),
)

"""web_app by itself, on made-up keys: no other tier is there.

Run it apart from services_app's tests (one process can hold one Django settings module): pytest tests/web_app
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from dev.pki import Pki

PLACE = Path(tempfile.mkdtemp(prefix="sluice-web-app-tests-"))
atexit.register(shutil.rmtree, PLACE, ignore_errors=True)
PKI = Pki(PLACE / "pki")

# Before Django reads its settings; nothing of the caller's environment may show through.
for name in ("NAS_ROOT", "SECRET_KEY", "INTERNAL_API_KEY", "DATABASE_URL"):
    os.environ.pop(name, None)
os.environ.update(
    DJANGO_SETTINGS_MODULE="web_app.config.settings",
    SERVER_ROLE="web",
    ALLOWED_HOSTS="localhost,testserver",
    STATE_DIR=str(PLACE),
    PUBLIC_URL="https://localhost:8443",
    SECRET_KEY_FILE=str(PKI.secret_key),
    TOKEN_ISSUER="https://web.example",
    TOKEN_AUDIENCE="https://services.example",
    TOKEN_KEY_FILE=str(PKI.token_private),
    RECEIPT_ISSUER="https://services.example",
    RECEIPT_JWKS_FILE=str(PKI.receipt_public),
    SERVICES_URL="https://127.0.0.1:8002",
    SERVICES_CA_FILE=str(PKI.inside_ca),
    INTERNAL_CLIENT_CERT_FILE=str(PKI.web_app_cert),
    INTERNAL_CLIENT_KEY_FILE=str(PKI.web_app_key),
    INTERNAL_API_KEY_FILE=str(PKI.internal_api_key),
)

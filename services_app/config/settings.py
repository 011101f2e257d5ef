"""Settings of the services tier. Every value that differs per place comes from the environment (env.py)."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from . import database, env
from .logs import logging_config

SERVER_ROLE = env.required("SERVER_ROLE", "Set SERVER_ROLE=services on this host.")
if SERVER_ROLE != "services":
    raise ImproperlyConfigured("services_app runs with SERVER_ROLE=services only; web_app is the other one.")

# Two gunicorns run this app: uploads (bodies) and control (pre-authorisation, status, health, internal API), so that
# a thousand slow bodies never starve a health check. Management commands count as control.
LISTENER = env.choice("LISTENER", "control", ("uploads", "control"))

STATE_DIR = Path(env.text("STATE_DIR", "/var/lib/sluice"))

DEBUG = False
# Nothing here is signed by Django: no session, no cookie, no form. A key that nobody knows is the safest one.
SECRET_KEY = get_random_secret_key()
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["services.sluice.internal"])

ROOT_URLCONF = f"services_app.config.urls_{LISTENER}"
WSGI_APPLICATION = "services_app.config.wsgi.application"
INSTALLED_APPS = [
    "services_app.config",
    "services_app.uploads",
    "services_app.store",
    "services_app.ledger",
]
MIDDLEWARE = ["services_app.uploads.wire.middleware.ProblemMiddleware"]
APPEND_SLASH = False

# Django never parses a body: views read the raw stream.
FILE_UPLOAD_HANDLERS: list[str] = []
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

DATABASES = {
    "default": database.configured(
        env.database("DATABASE_URL", f"sqlite:///{STATE_DIR}/services.sqlite3"),
        env.integer("DATABASE_CONNECTIONS", 16, least=2),
    )
}
# Without it a database on another host must prove its name (checks.py).
DATABASE_HOST_UNVERIFIED = env.choice("DATABASE_HOST_UNVERIFIED", "no", ("no", "yes")) == "yes"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")))

# -- keys and names ----------------------------------------------------------------------------------------------------
TOKEN_ISSUER = env.required("TOKEN_ISSUER", "Use the same value as on the web tier.")
TOKEN_AUDIENCE = env.required("TOKEN_AUDIENCE", "Use the same value as on the web tier.")
TOKEN_JWKS_FILE = env.required("TOKEN_JWKS_FILE", "Point it at the public JWK Set of web_app's token keys.")
RECEIPT_ISSUER = env.required("RECEIPT_ISSUER", "Name this services tier, as the web tier knows it.")
RECEIPT_KEY_FILE = env.required("RECEIPT_KEY_FILE", "Point it at the private JWK Set that signs receipts.")
INTERNAL_API_KEYS = (
    env.secret("INTERNAL_API_KEY", "Set one key (two during rotation), the same as on the web tier.")
    .replace(",", "\n")
    .split()
)
NGINX_CLIENT_NAME = env.required("NGINX_CLIENT_NAME", "Set the DNS name in nginx's client certificate.")
WEB_CLIENT_NAME = env.required("WEB_CLIENT_NAME", "Set the DNS name in web_app's client certificate.")

# Whether web_app may have folders of new collections made; else `init_store --collection` does it here.
COLLECTIONS_FROM_WEB = env.choice("COLLECTIONS_FROM_WEB", "yes", ("yes", "no")) == "yes"

# -- the store and its limits ------------------------------------------------------------------------------------------
NAS_ROOT = Path(env.required("NAS_ROOT", "Point it at the mounted NAS folder, then run init_store once."))
UPLOAD_MAX_SIZE = env.integer("UPLOAD_MAX_SIZE", 1 << 40, least=1)  # bytes
UPLOAD_MAX_CONCURRENT = env.integer("UPLOAD_MAX_CONCURRENT", 32, least=1)
UPLOAD_MIN_RATE = env.integer("UPLOAD_MIN_RATE", 4096)  # bytes a second; 0 switches it off
UPLOAD_MIN_RATE_WINDOW = env.integer("UPLOAD_MIN_RATE_WINDOW", 600, least=1)  # seconds that a sender may be behind it
UPLOAD_IDLE_TIMEOUT = env.integer("UPLOAD_IDLE_TIMEOUT", 300, least=1)  # seconds
UPLOAD_DEADLINE = env.integer("UPLOAD_DEADLINE", 86400, least=1)  # seconds for one request
UPLOAD_EXPIRY = env.integer("UPLOAD_EXPIRY", 604800, least=1)  # seconds that an upload waits for its sender
UPLOAD_SPACE_RESERVE = env.integer("UPLOAD_SPACE_RESERVE", 1 << 30)  # bytes kept free on the NAS

"""Settings of the services tier. Every value that differs per place comes from the environment (env.py)."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from . import database, env, internal_keys, privacy
from .logs import logging_config

SERVER_ROLE = env.required("SERVER_ROLE", "Set SERVER_ROLE=services on this host.")
if SERVER_ROLE != "services":
    raise ImproperlyConfigured("services_app runs with SERVER_ROLE=services only; web_app is the other one.")

# Two gunicorns run this app: uploads (bodies) and control (pre-authorisation, status, health, internal API), so that
# a thousand slow bodies never starve a health check. Management commands count as control.
LISTENER = env.choice("LISTENER", "control", ("uploads", "control"))

privacy.keep_to_ourselves()
privacy.wipe_what_is_freed()

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
    "services_app.proof",
    "services_app.revocations",
    "services_app.outbox",
]
MIDDLEWARE = [
    "services_app.config.request_id.RequestIdMiddleware",
    "services_app.uploads.wire.middleware.ProblemMiddleware",
]
APPEND_SLASH = False

# Django never parses a body: views read the raw stream.
FILE_UPLOAD_HANDLERS: list[str] = []
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

DATABASE_GIVEN = env.database("DATABASE_URL", f"sqlite:///{STATE_DIR}/services.sqlite3")
DATABASES = {"default": database.configured(DATABASE_GIVEN, env.integer("DATABASE_CONNECTIONS", 16, least=2))}
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
TOKEN_MAX_LIFE = env.integer("TOKEN_MAX_LIFE", 604800, least=60)  # seconds from `iat`
RECEIPT_ISSUER = env.required("RECEIPT_ISSUER", "Name this services tier, as the web tier knows it.")
RECEIPT_KEY_FILE = env.required("RECEIPT_KEY_FILE", "Point it at the private JWK Set that signs receipts.")
INTERNAL_API_KEYS = internal_keys.split(env.secret("INTERNAL_API_KEY", internal_keys.CURE))
NGINX_CLIENT_NAME = env.required("NGINX_CLIENT_NAME", "Set the DNS name in nginx's client certificate.")
WEB_CLIENT_NAME = env.required("WEB_CLIENT_NAME", "Set the DNS name in web_app's client certificate.")
METRICS_CLIENT_NAME = env.text("METRICS_CLIENT_NAME", "")  # none: nobody may ask for metrics

# -- what is watched ---------------------------------------------------------------------------------------------------
METRICS_DIR = Path(env.text("METRICS_DIR", f"/dev/shm/sluice-services-{os.geteuid()}"))  # noqa: S108  counts of a boot, in memory
TLS_CERT_FILE = env.text("TLS_CERT_FILE", "")  # gunicorn.conf.py demands both
TLS_CLIENT_CA_FILE = env.text("TLS_CLIENT_CA_FILE", "")

# Whether web_app may have folders of new collections made; else `init_store --collection` does it here.
COLLECTIONS_FROM_WEB = env.choice("COLLECTIONS_FROM_WEB", "yes", ("yes", "no")) == "yes"

# Whether web_app may have stored files deleted, and days that they wait in the trash before their bytes go; 0: they go at once.
DELETION_FROM_WEB = env.choice("DELETION_FROM_WEB", "no", ("no", "yes")) == "yes"
TRASH_DAYS = env.integer("TRASH_DAYS", 30)

# To whom stored files are handed on (ADR 0045); none: to nobody.
HOOKS_FILE = env.text("HOOKS_FILE", "")

# Threads of the control listener, as gunicorn.conf.py reads them: half of them may wait for the store, or do what takes its time.
CONTROL_THREADS = env.integer("CONTROL_THREADS", 16, least=1)

# What one person may ask it a second, over all addresses; 0: no bound.
QUESTIONS_PER_PERSON = env.integer("QUESTIONS_PER_PERSON", 100)

# -- the store and its limits ------------------------------------------------------------------------------------------
NAS_ROOT = Path(env.required("NAS_ROOT", "Point it at the mounted NAS folder, then run init_store once."))
UPLOAD_MAX_SIZE = env.integer("UPLOAD_MAX_SIZE", 1 << 40, least=1)  # bytes
UPLOAD_MAX_CONCURRENT = env.integer("UPLOAD_MAX_CONCURRENT", 32, least=1)
UPLOAD_MIN_RATE = env.integer("UPLOAD_MIN_RATE", 4096)  # bytes a second; 0 switches it off
UPLOAD_MIN_RATE_WINDOW = env.integer("UPLOAD_MIN_RATE_WINDOW", 600, least=1)  # seconds that a sender may be behind it
UPLOAD_MIN_RATE_SCARCE = env.integer("UPLOAD_MIN_RATE_SCARCE", 32768)  # the same while most places are taken
UPLOAD_IDLE_TIMEOUT = env.integer("UPLOAD_IDLE_TIMEOUT", 300, least=1)  # seconds
UPLOAD_DEADLINE = env.integer("UPLOAD_DEADLINE", 86400, least=1)  # seconds for one request
UPLOAD_EXPIRY = env.integer("UPLOAD_EXPIRY", 604800, least=1)  # seconds that an upload waits for its sender
# Of one person; 0: no bound. In days of UTC.
UPLOAD_UNFINISHED_PER_PERSON = env.integer("UPLOAD_UNFINISHED_PER_PERSON", 1000)
UPLOAD_STAGED_PER_PERSON = env.integer("UPLOAD_STAGED_PER_PERSON", 1 << 43)  # bytes of unfinished uploads
UPLOAD_DAILY_PER_PERSON = env.integer("UPLOAD_DAILY_PER_PERSON", 20_000)
UPLOAD_RETENTION = env.integer("UPLOAD_RETENTION", 90 * 86400, least=86400)  # seconds that the row of an aborted upload is kept
UPLOAD_SPACE_RESERVE = env.integer("UPLOAD_SPACE_RESERVE", 1 << 30)  # bytes kept free on the NAS
UPLOAD_INODE_RESERVE = env.integer("UPLOAD_INODE_RESERVE", 1000)  # inodes kept free there, for what is under way

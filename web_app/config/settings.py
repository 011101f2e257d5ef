"""Django settings. Every value that differs per place comes from the environment, through `env`."""

import os

from web_app.config import database, env, privacy
from web_app.config.logs import logging_config

# --- what this place is (checks.py refuses what does not fit) ---
SERVER_ROLE = env.text("SERVER_ROLE", "")
NAS_ROOT_IS_SET = bool(os.environ.get("NAS_ROOT", "").strip())
privacy.keep_to_ourselves()

STATE_DIR = env.path("STATE_DIR", "/var/lib/sluice")
PUBLIC_URL = env.https_origin("PUBLIC_URL", "https://localhost:8443")
# Oldest to newest: the newest signs and seals, the others are still believed.
*SECRET_KEY_FALLBACKS, SECRET_KEY = env.secret_lines("SECRET_KEY")
ALLOWED_HOSTS = env.listed("ALLOWED_HOSTS", ["localhost"])
DEBUG = False

# --- tokens out, receipts in (docs/token-format.md) ---
TOKEN_ISSUER = env.text("TOKEN_ISSUER")
TOKEN_AUDIENCE = env.text("TOKEN_AUDIENCE")
TOKEN_KEY_FILE = env.path("TOKEN_KEY_FILE")
RECEIPT_ISSUER = env.text("RECEIPT_ISSUER")
RECEIPT_JWKS_FILE = env.path("RECEIPT_JWKS_FILE")

# Whom people are told to ask, in one line of text; and for /.well-known/security.txt (RFC 9116), both or neither.
OPERATOR_CONTACT = env.text("OPERATOR_CONTACT", "")
SECURITY_CONTACT = env.text("SECURITY_CONTACT", "")
SECURITY_CONTACT_UNTIL = env.text("SECURITY_CONTACT_UNTIL", "")

# Seconds after which a session that nothing is asked of ends (0: never); what is being sent goes on (accounts/middleware.py).
SESSION_IDLE = env.integer("SESSION_IDLE", 4 * 3600)

# Who must have a second factor: nobody, whoever may enter the admin, or everybody (accounts/factors/policies.py).
SECOND_FACTOR = env.text("SECOND_FACTOR", "optional")

# Days from a grant's first token to its last; no renewal goes beyond it.
GRANT_LAST_DAY = env.integer("GRANT_LAST_DAY", 14)
# Grants that one person may have open at the same time.
GRANTS_OPEN_MAX = env.integer("GRANTS_OPEN_MAX", 1000)
# What one person may ask for in a day that leaves a row for ever: tokens, looks at others' names, exports.
PERSON_DAILY_MAX = env.integer("PERSON_DAILY_MAX", 10_000)
# Days for which a grant that brought nothing is kept after its end.
GRANT_RETENTION = env.integer("GRANT_RETENTION", 90)

# --- the services tier's internal API: metadata only ---
SERVICES_URL = env.https_origin("SERVICES_URL")
# The certificate is checked against this name, whatever address the URL holds.
SERVICES_NAME = env.text("SERVICES_NAME", "services.sluice.internal")
SERVICES_CA_FILE = env.path("SERVICES_CA_FILE")
INTERNAL_CLIENT_CERT_FILE = env.path("INTERNAL_CLIENT_CERT_FILE")
INTERNAL_CLIENT_KEY_FILE = env.path("INTERNAL_CLIENT_KEY_FILE")
# Oldest to newest; the newest is sent.
INTERNAL_API_KEY = env.secrets_listed("INTERNAL_API_KEY")[-1]

# Where the processes of this tier count, in memory: for Prometheus.
METRICS_DIR = env.path("METRICS_DIR", f"/dev/shm/sluice-web-{os.geteuid()}")  # noqa: S108  counts of a boot; shared.py looks whose it is

INSTALLED_APPS = [
    "web_app.pages",  # before Django's admin: of templates of one name the first is taken
    "web_app.config.apps.SluiceAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "web_app.config.apps.ConfigConfig",
    "web_app.audit",
    "web_app.accounts",
    "web_app.collections",
    "web_app.grants",
    "web_app.proof",
]

MIDDLEWARE = [
    "web_app.config.request_id.RequestIdMiddleware",
    "web_app.config.middleware.SomebodyWaits",
    "web_app.config.middleware.NginxPeer",
    "web_app.config.middleware.OwnCookies",
    "web_app.config.middleware.SmallBodiesOnly",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "web_app.config.language.Language",  # behind OwnCookies, and behind static files, which have no language
    "web_app.accounts.middleware.KeptAnswers",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "web_app.accounts.middleware.RollingSession",
    "web_app.accounts.middleware.ApiKeySignIn",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "web_app.config.middleware.ProblemsOfPages",
]

ROOT_URLCONF = "web_app.config.urls"
WSGI_APPLICATION = "web_app.config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["django.templatetags.i18n"],  # every template has texts
        },
    }
]

DATABASE_GIVEN = env.database("DATABASE_URL", f"sqlite:///{STATE_DIR / 'web_app.sqlite3'}")
DATABASES = {"default": database.configured(DATABASE_GIVEN, env.integer("DATABASE_CONNECTIONS", 16))}
# Without it a database on another host must prove its name (checks.py).
DATABASE_HOST_UNVERIFIED = env.text("DATABASE_HOST_UNVERIFIED", "no") == "yes"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- people ---
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL
PASSWORD_HASHERS = ["web_app.accounts.hashing.BoundedHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# A session outlives the longest upload (24 h by default), so that its receipt can still be handed in.
SESSION_COOKIE_AGE = 48 * 3600
SESSION_ENGINE = "web_app.accounts.sessions"
SESSION_COOKIE_NAME = "__Host-sluice-session"
SESSION_COOKIE_SECURE = True
# Every cookie is named __Host-sluice-…: others are not let in (config/middleware.py). The usual storage of messages would set one.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_COOKIE_NAME = "__Host-sluice-csrf"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_AGE = None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_FAILURE_VIEW = "web_app.config.failures.csrf_failed"

# --- mail: links by which people set their password, and nothing else (ADR 0040) ---
_MAIL = env.mail("EMAIL_URL")
MAIL_IS_SET = bool(_MAIL)
EMAIL_HOST = _MAIL.get("EMAIL_HOST") or ""
EMAIL_PORT = _MAIL.get("EMAIL_PORT") or (465 if _MAIL.get("EMAIL_USE_SSL") else 587 if _MAIL.get("EMAIL_USE_TLS") else 25)
EMAIL_HOST_USER = _MAIL.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _MAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _MAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "")
# Without it what is sent to another host must be encrypted (checks.py).
EMAIL_UNENCRYPTED = env.text("EMAIL_UNENCRYPTED", "no") == "yes"

# --- no file ever comes this way (invariant 1) ---
FILE_UPLOAD_HANDLERS: list[str] = []
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024

# --- the edge is nginx: TLS ends there, and it sets the forwarded headers itself ---
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
# Whether subdomains and browsers' preload lists are bound too is for the domain's owner to say, in nginx's site file.
SECURE_HSTS_SECONDS = 63072000
# web.E008 stands in for W009 and W025, which count characters (50) where 43 of base64url are 256 bits.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "security.W009", "security.W025"]
# Not `no-referrer`: with it browsers send `Origin: null` with our own forms, and the CSRF check refuses them.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STORAGES = {
    # No place for files that people send: nothing in this app may save one.
    "staticfiles": {"BACKEND": "web_app.pages.staticfiles.HashedFiles"},
}

# --- languages: the browser says which (config/language.py, ADR 0043) ---
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français"), ("pt", "Português")]
USE_I18N = True
# Made from web_app/locale/ by collectstatic.
LOCALE_PATHS = [STATE_DIR / "locale"]
FORMAT_MODULE_PATH = "web_app.config.formats"
TIME_ZONE = "UTC"
USE_TZ = True

LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
LOGGING = logging_config(LOG_LEVEL)

"""System checks: half-configured software refuses to start and says how to fix it (invariant 9).

`manage.py` runs those without `deploy` before every command; wsgi.py runs them all.
"""

import ssl

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from web_app.config import database
from web_app.receipts import verify
from web_app.tokens import issue

_OWN_ROLE = "web"
# 256 bits in base64url.
_SHORTEST_SECRET = 43
_MADE_BY = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


@register
def this_is_the_web_tier(app_configs, **kwargs):
    if settings.SERVER_ROLE == _OWN_ROLE:
        return []
    said = "is not set" if not settings.SERVER_ROLE else "names another tier"
    return [
        Error(
            f"SERVER_ROLE {said}.",
            hint=f"Set SERVER_ROLE={_OWN_ROLE} here. services_app runs elsewhere.",
            id="web.E001",
        )
    ]


@register
def the_nas_is_not_here(app_configs, **kwargs):
    if not settings.NAS_ROOT_IS_SET:
        return []
    hint = "Unset NAS_ROOT: the web tier must not reach the NAS. Only services_app has it."
    return [Error("NAS_ROOT is set on the web tier.", hint=hint, id="web.E002")]


@register
def token_keys_can_sign(app_configs, **kwargs):
    try:
        issue.TokenSigner.from_file(settings.TOKEN_KEY_FILE)
    except issue.KeyFileUnusable as exc:
        hint = "Point it at a JWK Set of private Ed25519 keys, oldest to newest, that this process may read."
        return [Error(f"TOKEN_KEY_FILE is unusable: {exc}.", hint=hint, id="web.E003")]
    return []


@register
def receipt_keys_can_check(app_configs, **kwargs):
    try:
        verify.ReceiptVerifier.from_file(settings.RECEIPT_JWKS_FILE, settings.RECEIPT_ISSUER)
    except verify.KeyFileUnusable as exc:
        hint = "Point it at the services tier's published JWK Set: public Ed25519 keys, oldest to newest."
        return [Error(f"RECEIPT_JWKS_FILE is unusable: {exc}.", hint=hint, id="web.E004")]
    return []


@register
def internal_certificates_load(app_configs, **kwargs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found = []
    try:
        context.load_verify_locations(settings.SERVICES_CA_FILE)
    except OSError as exc:
        hint = "Point it at the PEM certificate of the authority that signed the services tier's certificate."
        found.append(Error(f"SERVICES_CA_FILE is unusable ({type(exc).__name__}).", hint=hint, id="web.E005"))
    try:
        context.load_cert_chain(settings.INTERNAL_CLIENT_CERT_FILE, settings.INTERNAL_CLIENT_KEY_FILE)
    except OSError as exc:
        hint = "Both are PEM, belong together, and are web_app's own (not nginx's)."
        text = f"INTERNAL_CLIENT_CERT_FILE and INTERNAL_CLIENT_KEY_FILE are unusable ({type(exc).__name__})."
        found.append(Error(text, hint=hint, id="web.E006"))
    return found


@register
def secrets_are_long(app_configs, **kwargs):
    return [
        Error(f"{name} is shorter than {_SHORTEST_SECRET} characters.", hint=_MADE_BY, id=check_id)
        for name, check_id in (("INTERNAL_API_KEY", "web.E007"), ("SECRET_KEY", "web.E008"))
        if len(getattr(settings, name)) < _SHORTEST_SECRET
    ]


@register(deploy=True)
def static_files_are_laid_out(app_configs, **kwargs):
    if (settings.STATIC_ROOT / "staticfiles.json").is_file():
        return []
    return [
        Error("The static files are not in STATE_DIR.", hint="Run: manage.py collectstatic --noinput", id="web.E009")
    ]


@register(Tags.database, deploy=True)
def the_database_is_migrated(app_configs, databases=None, **kwargs):
    for alias in databases or ():
        executor = MigrationExecutor(connections[alias])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return [Error("The database lacks migrations.", hint="Run: manage.py migrate", id="web.E010")]
    return []


@register
def the_database_proves_its_name(app_configs, **kwargs):
    if settings.DATABASE_HOST_UNVERIFIED or not database.is_impersonable(settings.DATABASES["default"]):
        return []
    hint = (
        "Add ?sslmode=verify-full&sslrootcert=/path/of/its/authority.crt, or set DATABASE_HOST_UNVERIFIED=yes "
        "where the network between is the two hosts' own."
    )
    return [Error("DATABASE_URL names another host without sslmode=verify-full.", hint=hint, id="web.E011")]

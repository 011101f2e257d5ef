"""System checks: half-configured software refuses to start and says how to fix it (invariant 9).

`manage.py` runs those without `deploy` before every command; wsgi.py runs them all.
"""

import ssl
from email.utils import parseaddr

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from web_app.config import database, env, privacy, well_known
from web_app.receipts import verify
from web_app.tokens import issue

_OWN_ROLE = "web"
_CLOSE = "Run chmod o-rwx on what it names: mode 0600 or 0640 is meant, of folders 0700 or 0750."
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
    secrets = [("INTERNAL_API_KEY", [settings.INTERNAL_API_KEY], "web.E007")]
    secrets.append(("SECRET_KEY, or a line of it,", [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS], "web.E008"))
    return [
        Error(f"{name} is shorter than {env.SHORTEST_SECRET} characters.", hint=_MADE_BY, id=check_id)
        for name, values, check_id in secrets
        if min(map(len, values)) < env.SHORTEST_SECRET
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
def security_contact_is_whole(app_configs, **kwargs):
    contact, until = settings.SECURITY_CONTACT, settings.SECURITY_CONTACT_UNTIL
    if not contact and not until:
        return []
    if well_known.security_txt_is_usable(contact, until):
        return []
    hint = (
        "Set both or neither: SECURITY_CONTACT to an address that begins with mailto:, https:// or tel:, SECURITY_CONTACT_UNTIL to the "
        "last day on which it is true, like 2027-06-30."
    )
    return [Error("SECURITY_CONTACT and SECURITY_CONTACT_UNTIL make no security.txt.", hint=hint, id="web.E013")]


@register
def mail_can_be_sent(app_configs, **kwargs):
    if not settings.MAIL_IS_SET:
        return []
    found = []
    try:
        validate_email(parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
    except ValidationError:
        hint = "Set it to an address that mail may come from here, like: Sluice <sluice@example.org>"
        found.append(Error("EMAIL_URL is set, and EMAIL_FROM is no address.", hint=hint, id="web.E014"))
    is_encrypted = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if not is_encrypted and settings.EMAIL_HOST not in ("localhost", "127.0.0.1", "::1") and not settings.EMAIL_UNENCRYPTED:
        hint = "Use smtp+tls:// or smtp+ssl://, or set EMAIL_UNENCRYPTED=yes where nobody else can be on the network between."
        found.append(Error("EMAIL_URL would send links that open accounts in clear text.", hint=hint, id="web.E015"))
    return found


@register
def sessions_may_last(app_configs, **kwargs):
    if settings.SESSION_IDLE >= 0:
        return []
    return [Error("SESSION_IDLE is below 0.", hint="Set it to seconds, like 14400 for four hours, or to 0 for never.", id="web.E016")]


@register
def second_factors_are_demanded_of_somebody_known(app_configs, **kwargs):
    if settings.SECOND_FACTOR in ("optional", "staff", "everyone"):
        return []
    hint = "Set it to optional, staff (whoever may enter the admin) or everyone."
    return [Error("SECOND_FACTOR says nothing that is known.", hint=hint, id="web.E017")]


@register
def the_database_proves_its_name(app_configs, **kwargs):
    if settings.DATABASE_HOST_UNVERIFIED or not database.is_impersonable(settings.DATABASES["default"]):
        return []
    hint = (
        "Add ?sslmode=verify-full&sslrootcert=/path/of/its/authority.crt, or set DATABASE_HOST_UNVERIFIED=yes "
        "where the network between is the two hosts' own."
    )
    return [Error("DATABASE_URL names another host without sslmode=verify-full.", hint=hint, id="web.E011")]


@register
def what_is_private_is_closed_to_others(app_configs, **kwargs):
    private = {
        "TOKEN_KEY_FILE": settings.TOKEN_KEY_FILE,
        "INTERNAL_CLIENT_KEY_FILE": settings.INTERNAL_CLIENT_KEY_FILE,
        "STATE_DIR": settings.STATE_DIR,
        **{f"{name}_FILE": path for name in ("SECRET_KEY", "INTERNAL_API_KEY", "DATABASE_URL", "EMAIL_URL") for path in env.file_of(name)},
    }
    if settings.DATABASES["default"]["ENGINE"] == database.SQLITE:
        private["The file of DATABASE_URL, by default in STATE_DIR,"] = settings.DATABASES["default"]["NAME"]
    return [
        Error(f"{name} is open to every user of this host.", hint=_CLOSE, id="web.E012")
        for name, path in private.items()
        if privacy.is_open_to_others(path)
    ]

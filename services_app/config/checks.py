"""System checks: half-configured software refuses to start and says how to fix it (invariant 9)."""

import os

from django.conf import settings
from django.core.checks import Error, register

from services_app.receipts.issue import ReceiptIssuer
from services_app.tokens.verify import TokenVerifier

from . import database, env, internal_keys, privacy

_CLOSE = "Run chmod o-rwx on what it names: mode 0600 or 0640 is meant, of folders 0700 or 0750."


@register
def token_keys_are_public_and_readable(app_configs, **kwargs):
    try:
        TokenVerifier.from_file(settings.TOKEN_JWKS_FILE, settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE)
    except (OSError, ValueError) as exc:
        return [
            Error(
                f"TOKEN_JWKS_FILE is not a usable key set: {type(exc).__name__}.",
                hint="It must be a JWK Set of public Ed25519 keys, each with a kid, and no private part: "
                "this tier verifies tokens and cannot mint them.",
                id="services.E001",
            )
        ]
    return []


@register
def receipt_keys_are_private_and_readable(app_configs, **kwargs):
    try:
        ReceiptIssuer.from_file(settings.RECEIPT_KEY_FILE, settings.RECEIPT_ISSUER)
    except (OSError, ValueError) as exc:
        return [
            Error(
                f"RECEIPT_KEY_FILE is not a usable key set: {type(exc).__name__}.",
                hint="It must be a JWK Set of private Ed25519 keys, each with a kid, oldest to newest.",
                id="services.E002",
            )
        ]
    return []


@register
def internal_api_keys_are_one_or_two_long_ones(app_configs, **kwargs):
    if internal_keys.are_usable(settings.INTERNAL_API_KEYS):
        return []
    return [
        Error(
            "INTERNAL_API_KEY must hold one key, or two during rotation, of at least 32 characters each.",
            hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="services.E003",
        )
    ]


@register
def nas_root_is_an_absolute_folder(app_configs, **kwargs):
    # Only the form is checked: an absent NAS is a passing fault (503, red health), not a reason not to start.
    if os.path.isabs(settings.NAS_ROOT) and settings.NAS_ROOT != settings.STATE_DIR:
        return []
    return [
        Error(
            "NAS_ROOT must be an absolute path, and not STATE_DIR.",
            hint="Point NAS_ROOT at the mounted NAS folder and run: manage.py init_store",
            id="services.E004",
        )
    ]


@register
def the_client_names_differ(app_configs, **kwargs):
    names = [name for name in (settings.NGINX_CLIENT_NAME, settings.WEB_CLIENT_NAME, settings.METRICS_CLIENT_NAME) if name]
    if len(set(names)) == len(names):
        return []
    return [
        Error(
            "Of NGINX_CLIENT_NAME, WEB_CLIENT_NAME and METRICS_CLIENT_NAME two are the same.",
            hint="nginx must not be able to speak to the internal API: give each a certificate of its own.",
            id="services.E005",
        )
    ]


@register
def the_database_proves_its_name(app_configs, **kwargs):
    if settings.DATABASE_HOST_UNVERIFIED or not database.is_impersonable(settings.DATABASES["default"]):
        return []
    return [
        Error(
            "DATABASE_URL names another host without sslmode=verify-full.",
            hint="Add ?sslmode=verify-full&sslrootcert=/path/of/its/authority.crt, or set DATABASE_HOST_UNVERIFIED=yes "
            "where the network between is the two hosts' own.",
            id="services.E006",
        )
    ]


@register
def what_is_private_is_closed_to_others(app_configs, **kwargs):
    private = {
        "RECEIPT_KEY_FILE": settings.RECEIPT_KEY_FILE,
        "TLS_KEY_FILE": env.text("TLS_KEY_FILE", ""),
        "STATE_DIR": settings.STATE_DIR,
        **{f"{name}_FILE": path for name in ("INTERNAL_API_KEY", "DATABASE_URL") for path in env.file_of(name)},
    }
    if settings.DATABASES["default"]["ENGINE"] == database.SQLITE:
        private["The file of DATABASE_URL, by default in STATE_DIR,"] = settings.DATABASES["default"]["NAME"]
    return [
        Error(f"{name} is open to every user of this host.", hint=_CLOSE, id="services.E007")
        for name, path in private.items()
        if privacy.is_open_to_others(path)
    ]

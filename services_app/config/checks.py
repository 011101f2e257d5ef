"""System checks: half-configured software refuses to start and says how to fix it (invariant 9)."""

import os

from django.conf import settings
from django.core.checks import Error, register

from services_app.receipts.issue import ReceiptIssuer
from services_app.tokens.verify import TokenVerifier

from . import database


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
    keys = settings.INTERNAL_API_KEYS
    if 1 <= len(keys) <= 2 and all(len(key) >= 32 for key in keys):
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
def the_two_client_names_differ(app_configs, **kwargs):
    if settings.NGINX_CLIENT_NAME != settings.WEB_CLIENT_NAME:
        return []
    return [
        Error(
            "NGINX_CLIENT_NAME and WEB_CLIENT_NAME are the same.",
            hint="nginx must not be able to speak to the internal API: give web_app a certificate of its own.",
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

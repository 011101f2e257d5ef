"""Who is calling? The client certificate says which program, the token or key says on whose behalf."""

import hmac
from collections.abc import Callable
from functools import wraps

from django.conf import settings

from services_app.config import internal_keys
from services_app.config.watched import Watched
from services_app.tokens import names
from services_app.tokens.claims import Claims
from services_app.tokens.names import NamesClaims
from services_app.tokens.verify import Kind, TokenVerifier, check_binding
from services_app.uploads import policies
from services_app.uploads.errors import PeerForbidden

from .shares import questions

_BEARER = "Bearer "


def from_nginx(view):
    """Only nginx's certificate opens this view. Raises PeerForbidden."""
    return _from(view, lambda: settings.NGINX_CLIENT_NAME)


def from_web_app(view):
    """Only web_app's certificate *and* an internal API key open this view. Raises PeerForbidden."""

    @wraps(view)
    def keyed(request, *args, **kwargs):
        given = _bearer(request).encode()
        # Every key is compared, each in constant time, so that timing tells neither a prefix nor which key it was.
        if not sum(hmac.compare_digest(given, key.encode()) for key in internal_keys.current()):
            raise PeerForbidden
        return view(request, *args, **kwargs)

    return _from(keyed, lambda: settings.WEB_CLIENT_NAME)


def from_metrics(view):
    """Only the certificate of who watches opens this view; where METRICS_CLIENT_NAME is not set, none does. Raises PeerForbidden."""
    return _from(view, lambda: settings.METRICS_CLIENT_NAME or None)


def token_claims(request) -> Claims:
    """The claims of the request's token, bound to its browser and not taken back. Raises TokenRefused or GrantRevoked; ShareTaken
    where a person asks too much.
    """
    claims = genuine_claims(request)
    policies.check_revoked(claims)
    return claims


def genuine_claims(request) -> Claims:
    """The same, of a token that may have been taken back: for what is asked about bytes that are stored already."""
    claims = verifier().verify(_bearer(request))
    request.grant_id, request.person = claims.jti, claims.sub
    check_binding(claims, request.META.get("HTTP_X_UPLOAD_BINDING", ""))
    if settings.LISTENER != "uploads":  # there it was counted as nginx asked
        questions.ask(claims.sub)
    return claims


def names_claims(request) -> NamesClaims:
    """The claims of the request's names token, bound to its browser, where nobody has signed out since. Raises TokenRefused; ShareTaken
    where a person asks too much.
    """
    claims = names_verifier().verify(_bearer(request))
    request.person = claims.sub
    check_binding(claims, request.META.get("HTTP_X_UPLOAD_BINDING", ""))
    questions.ask(claims.sub)
    policies.check_signed_in(claims.cookie_sha256)
    return claims


def _watched(kind: type[Kind], max_life: Callable[[], int]) -> Watched[TokenVerifier[Kind]]:
    return Watched(
        "TOKEN_JWKS_FILE",
        lambda: [settings.TOKEN_JWKS_FILE],
        lambda: TokenVerifier.from_file(
            settings.TOKEN_JWKS_FILE, settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE, max_life(), kind
        ),
    )


verifier = _watched(Claims, lambda: settings.TOKEN_MAX_LIFE)
names_verifier = _watched(NamesClaims, lambda: names.MAX_LIFE)


def peer_names(environ: dict) -> set[str]:
    """DNS names in the client certificate of this connection, as the TLS layer verified it; none without one."""
    socket = environ.get("gunicorn.socket")
    certificate = socket.getpeercert() if hasattr(socket, "getpeercert") else None
    return {value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "DNS"}


def _from(view, name):
    @wraps(view)
    def checked(request, *args, **kwargs):
        if name() not in peer_names(request.META):
            raise PeerForbidden
        return view(request, *args, **kwargs)

    return checked


def _bearer(request) -> str:
    header = request.META.get("HTTP_AUTHORIZATION", "")
    return header[len(_BEARER) :] if header.startswith(_BEARER) else ""

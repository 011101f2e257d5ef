"""Who is calling? The client certificate says which program, the token or key says on whose behalf."""

import hmac
from functools import lru_cache, wraps

from django.conf import settings

from services_app.tokens.claims import Claims
from services_app.tokens.verify import TokenVerifier, check_binding
from services_app.uploads.errors import PeerForbidden

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
        if not sum(hmac.compare_digest(given, key.encode()) for key in settings.INTERNAL_API_KEYS):
            raise PeerForbidden
        return view(request, *args, **kwargs)

    return _from(keyed, lambda: settings.WEB_CLIENT_NAME)


def token_claims(request) -> Claims:
    """The claims of the request's token, bound to its browser. Raises TokenRefused."""
    claims = verifier().verify(_bearer(request))
    request.grant_id = claims.jti
    check_binding(claims, request.META.get("HTTP_X_UPLOAD_BINDING", ""))
    return claims


@lru_cache(maxsize=1)
def verifier() -> TokenVerifier:
    """The configured verifier. Keys are read once: a rotation reloads the processes."""
    return TokenVerifier.from_file(settings.TOKEN_JWKS_FILE, settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE)


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

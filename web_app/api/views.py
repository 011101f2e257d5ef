"""What the web API says of itself: where everything is, how it is spoken, and who is asking."""

import functools
import hashlib
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response

from web_app.config.api import ApiView, json_answer
from web_app.config.moments import rfc3339

# Made by `./run docs` from docs/openapi.yaml, for this tier has no docs/.
DOCUMENT = Path(__file__).parent / "openapi.json"

_PLACES = {
    "openapi": "api:openapi",
    "whoami": "api:whoami",
    "collections": "collections:list",
    "uploads": "grants:list",
    "receipts": "grants:receipts",
    "names": "grants:names",
    "receipt_keys": "grants:receipt-keys",
}


class Index(ApiView):
    public = True

    def get(self, request: HttpRequest) -> HttpResponse:
        places = {name: settings.PUBLIC_URL + reverse(route) for name, route in _PLACES.items()}
        return json_answer({**places, "upload_resource": f"{settings.PUBLIC_URL}/u"})


class Described(ApiView):
    public = True

    def get(self, request: HttpRequest) -> HttpResponse:
        content, etag = _document()
        fresh = HttpResponse(content, content_type="application/openapi+json")
        fresh["Cache-Control"] = "public, max-age=300"
        fresh["ETag"] = etag
        return get_conditional_response(request, etag=etag, response=fresh)


class WhoAmI(ApiView):
    def get(self, request: HttpRequest) -> HttpResponse:
        key = request.api_key
        return json_answer({"person": request.user.uploader_id, "api_key": None if key is None else _shown(key)})


def _shown(key) -> dict:
    scope = sorted(key.collections.values_list("slug", flat=True))
    return {
        "name": key.label,
        "prefix": key.prefix,
        "may": key.may,
        "collections": scope or None,
        "expires_at": rfc3339(key.expires_at),
    }


@functools.cache
def _document() -> tuple[bytes, str]:
    content = DOCUMENT.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'

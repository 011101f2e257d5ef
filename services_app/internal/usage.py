"""`GET /internal/v1/usage?sub=…&collection=…`: what a person, and each of these collections, has stored and under way (ADR 0041)."""

from django.http import JsonResponse

from services_app.tokens.claims import SLUG, SUB
from services_app.uploads import errors, quotas
from services_app.uploads.wire.callers import from_web_app

AT_ONCE = 50  # collections in one request, whose line gunicorn bounds (limit_request_line)


@from_web_app
def usage(request):
    """Numbers of objects and bytes, now."""
    if request.method != "GET":
        raise errors.MethodNotAllowed("GET")
    sub, collections = request.GET.get("sub"), request.GET.getlist("collection")
    if not (sub is None or SUB.fullmatch(sub)) or len(collections) > AT_ONCE or not all(map(SLUG.fullmatch, collections)):
        raise errors.RequestMalformed
    scopes = {"collection": None} | ({"person_here": sub} if sub else {})
    here = {slug: {of: quotas.used(slug, whose)._asdict() for of, whose in scopes.items()} for slug in collections}
    return JsonResponse({"person": sub and quotas.used(None, sub)._asdict(), "collections": here})

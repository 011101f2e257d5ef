"""What Django calls when no view answered: problems under /api/, pages elsewhere."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults
from django.views.csrf import csrf_failure

from web_app.config import errors
from web_app.config.outage import is_of_the_database
from web_app.config.problems import problem_response


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    if not _is_api(request):
        return csrf_failure(request, reason=reason)
    # Without a session there is nothing to forge: a script that forgot its key should be told so.
    return problem_response(errors.CsrfFailed() if request.user.is_authenticated else errors.NotSignedIn())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(errors.RequestMalformed()) if _is_api(request) else defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(errors.NotFound()) if _is_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception, wherever that came up: in a view, in a middleware, in the admin."""
    if is_of_the_database(sys.exc_info()[1]):
        return _database_unavailable(request)
    return problem_response(errors.InternalError()) if _is_api(request) else defaults.server_error(request)


def _database_unavailable(request: HttpRequest) -> HttpResponse:
    problem = errors.DatabaseUnavailable()
    if _is_api(request):
        return problem_response(problem)
    # Without the request: who is signed in would be asked of the very database.
    headers = {**problem.headers, "Cache-Control": "no-store"}
    return HttpResponse(render_to_string("503.html"), status=problem.status, headers=headers)

"""What every view of the web API does the same way: who asks, which method, which JSON, which problem."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import View

from web_app.audit import security
from web_app.config import errors
from web_app.config.problems import problem_response


class ApiView(View):
    """Signed-in callers only, unless `public`. CSRF is the middleware's: only API keys go without."""

    public = False
    # No OPTIONS: nginx lets none through outside /u, so that nothing may promise it.
    http_method_names = ["get", "head", "post", "delete"]

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        try:
            response = self._answer(request, *args, **kwargs)
        except errors.Problem as problem:
            if problem.code in security.TOLD_BY_CODE:
                security.note(problem.code, request)
            response = problem_response(problem)
        response.setdefault("Cache-Control", "no-store")
        return response

    def _answer(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if not self.public and not request.user.is_authenticated:
            raise errors.NotSignedIn
        handler = (
            getattr(self, request.method.lower(), None) if request.method.lower() in self.http_method_names else None
        )
        if handler is None:
            raise errors.MethodNotAllowed(self._allowed_methods())
        if not self.public and request.method not in ("GET", "HEAD") and request.api_key and request.api_key.only_sees:
            raise errors.BeyondTheKey
        return handler(request, *args, **kwargs)


def json_fields(request: HttpRequest, required: dict[str, type], optional: dict[str, type]) -> dict:
    """The request's JSON object. Raises JsonRequired or RequestMalformed.

    A field of another name is refused: nobody may slip in a file's name, by mistake or otherwise (invariant 6).
    `null` is as good as absent for an optional field.
    """
    if request.content_type != "application/json":
        raise errors.JsonRequired
    known = {**required, **optional}
    try:
        body = json.loads(request.body, object_pairs_hook=_each_name_once, parse_constant=_no_constants)
    except (ValueError, RecursionError) as exc:
        raise errors.RequestMalformed from exc
    if not isinstance(body, dict) or not body.keys() <= known.keys():
        raise errors.RequestMalformed(f"The body must be one JSON object with nothing but: {', '.join(known)}.")
    fields = {name: _counted(value, known[name]) for name, value in body.items() if value is not None or name in required}
    for name in known:
        # `type`, not isinstance: True is an int to Python.
        if (name in required and name not in fields) or (name in fields and type(fields[name]) is not known[name]):
            raise errors.RequestMalformed(f"{name} must be a {_SPOKEN[known[name]]}.")
        if name in fields and isinstance(fields[name], str) and not _is_storable(fields[name]):
            raise errors.RequestMalformed(f"{name} holds what is no text.")
    return fields


def _counted(value: object, kind: type) -> object:
    """JSON has one kind of number: `1e5` and `100000.0` are whole ones, and some writers (R) spell them so. Up to 2^53, where each is
    still itself (RFC 8259, section 6).
    """
    is_whole = kind is int and type(value) is float and abs(value) <= 2**53 and value.is_integer()
    return int(value) if is_whole else value


def _is_storable(text: str) -> bool:
    """No half of a surrogate pair, which no encoding takes, and no NUL, which PostgreSQL does not take."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


_SPOKEN = {str: "string", int: "whole number", list: "list"}


def _each_name_once(pairs: list[tuple[str, object]]) -> dict:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _no_constants(name: str):
    raise ValueError("NaN and Infinity are no JSON")


def json_answer(body: dict, status: int = 200) -> JsonResponse:
    return JsonResponse(body, status=status)

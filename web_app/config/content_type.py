"""Of a request's Content-Type the type alone counts: text is UTF-8 here, whatever its sender calls it.

Django looks up every charset that is named before anything else sees the request. Python remembers each name that it does not know for
ever, and some that it knows are no text at all. So parameters go before Django comes.
"""

from collections.abc import Callable


def without_parameters(application: Callable) -> Callable:
    """The same WSGI application, which never hears of them."""

    def heard(environ: dict, start_response: Callable):
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = types_alone(environ["CONTENT_TYPE"])
        return application(environ, start_response)

    return heard


def types_alone(field: str) -> str:
    """Several, where the field came several times."""
    return ",".join(one.partition(";")[0] for one in field.split(","))

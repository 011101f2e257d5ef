"""In which language an answer is: in that which the browser asks for. What programs and operators read is English (ADR 0043)."""

from django.conf import settings
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

_ENGLISH = ("/api/", "/admin/", "/.well-known/", "/healthz")


class Language(LocaleMiddleware):
    def process_request(self, request):
        if _is_english(request):
            translation.activate(settings.LANGUAGE_CODE)
        else:
            super().process_request(request)

    def process_response(self, request, response):
        return response if _is_english(request) else super().process_response(request, response)


def _is_english(request: HttpRequest) -> bool:
    return request.path_info.startswith(_ENGLISH)

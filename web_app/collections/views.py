from django.http import HttpRequest, HttpResponse

from web_app.collections import policies
from web_app.collections.models import Collection
from web_app.config.api import ApiView, json_answer


class Collections(ApiView):
    """Where the caller may upload, with limits."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return json_answer({"collections": [shown(one) for one in policies.open_to(request.user)]})


def shown(collection: Collection) -> dict:
    return {
        "collection": collection.slug,
        "title": collection.title,
        "max_size": collection.max_size,
        "media_types": collection.media_types,
        "max_uploads": collection.max_uploads,
        "start_within": collection.start_within,
        "valid_for": collection.valid_for,
    }

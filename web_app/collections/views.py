from django.http import HttpRequest, HttpResponse

from web_app.accounts.models import User
from web_app.collections import policies, quotas
from web_app.collections.models import Collection
from web_app.config import errors
from web_app.config.api import ApiView, json_answer
from web_app.config.places import ASKED
from web_app.tokens.claims import Quota


class Collections(ApiView):
    """Where the caller may upload, with limits; with `left=yes` also what is left of quotas, for which the services tier is asked."""

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("left", "no")
        if asked not in ("yes", "no"):
            raise errors.RequestMalformed("left must be yes or no.")
        found = list(policies.open_to(request.user, request.api_key))
        if asked == "no":
            return json_answer({"collections": [shown(one, request.user) for one in found]})
        with ASKED.taken(request.user.pk):
            left = quotas.left(request.user, found)
        return json_answer({"collections": [shown(one, request.user, left[one.slug]) for one in found]})


def shown(collection: Collection, person: User, left: dict[Quota, int | None] | None = None) -> dict:
    limits = quotas.of(person, collection)
    return {
        "collection": collection.slug,
        "title": collection.title,
        "max_size": collection.max_size,
        "media_types": collection.media_types,
        "max_uploads": collection.max_uploads,
        "start_within": collection.start_within,
        "valid_for": collection.valid_for,
        "unpack_folders": collection.unpack_folders,
        "quotas": [{"quota": one.of, "unit": one.unit, "limit": one.limit, "left": left and left[one]} for one in limits],
    }

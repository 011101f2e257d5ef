from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from web_app.audit.admin import Exported, ReadOnlyAdmin
from web_app.collections.amounts import SIZES, in_units
from web_app.collections.media_types import in_words
from web_app.grants import ends
from web_app.grants.models import Grant, StoredUpload
from web_app.pages.templatetags.readable import exact_bytes, is_rounded, readable_size

_SHOWN = 100  # stored uploads on the page of a grant


def _of(person: str) -> list[str]:
    """By what somebody is searched for."""
    return [*(f"{person}__{name}" for name in ("username", "first_name", "last_name")), f"={person}__uploader_id"]


def _link(page: str, obj, text: object) -> str:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[obj.pk]), text)


@admin.register(Grant)
class GrantAdmin(Exported, ReadOnlyAdmin):
    list_display = ["id", "standing", "collection", "uploader", "declared", "max_uploads", "created_at", "expires_at", "revocation"]
    list_filter = ["state", "collection", "created_at"]
    date_hierarchy = "created_at"
    list_select_related = ["collection", "uploader", "revocation"]
    search_fields = ["id", "stored__upload_id", "stored__sha256", "collection__slug", "collection__title", *_of("uploader")]
    search_help_text = "An id, a digest, a person or a collection."
    show_full_result_count = False
    readonly_fields = ["standing", "largest", "declared", "uploads"]
    exclude = ["max_size", "declared_size"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(brought=Exists(StoredUpload.objects.filter(grant=OuterRef("pk"))))

    @admin.display(description="state", ordering="state")
    def standing(self, obj) -> str:
        end = ends.of(obj, obj.brought)
        return ends.WORDS[end] if end else obj.get_state_display()

    @admin.display(description="largest file")
    def largest(self, obj) -> str:
        return in_units(obj.max_size, SIZES)

    @admin.display(description="declared size", ordering="declared_size")
    def declared(self, obj) -> str:
        return "" if obj.declared_size is None else _size(obj.declared_size)

    @admin.display(description="stored uploads")
    def uploads(self, obj) -> str:
        newest = obj.stored.order_by("-durable_at", "-pk")[:_SHOWN]
        shown = format_html_join(" ", "{}", ((_link("grants_storedupload", each, each.pk),) for each in newest))
        all_of_it = f"{reverse('admin:grants_storedupload_changelist')}?q={obj.pk}"
        return format_html('{} <a href="{}">All {}</a>', shown, all_of_it, obj.stored.count()) if shown else "none"


@admin.register(StoredUpload)
class StoredUploadAdmin(Exported, ReadOnlyAdmin):
    list_display = ["upload_id", "collection", "person", "bytes", "type", "durable_at", "permission"]
    readonly_fields = ["bytes", "type", "permission", "person", "collection"]
    exclude = ["size", "grant"]
    list_filter = ["grant__collection", "durable_at"]
    date_hierarchy = "durable_at"
    ordering = ["-durable_at", "-upload_id"]
    list_select_related = ["grant__collection", "grant__uploader"]
    search_fields = ["upload_id", "grant__id", "sha256", "grant__collection__slug", "grant__collection__title", *_of("grant__uploader")]
    search_help_text = "An id, a digest, a person or a collection."
    show_full_result_count = False

    @admin.display(ordering="media_type")
    def type(self, obj) -> str:
        return in_words(obj.media_type)

    @admin.display(description="size", ordering="size")
    def bytes(self, obj) -> str:
        return _size(obj.size)

    @admin.display(ordering="grant")
    def permission(self, obj) -> str:
        return _link("grants_grant", obj.grant, obj.grant_id)

    @admin.display(ordering="grant__uploader__username")
    def person(self, obj) -> str:
        return obj.grant.uploader.get_username()

    @admin.display(ordering="grant__collection__slug")
    def collection(self, obj) -> str:
        return obj.grant.collection.slug


def _size(size: int) -> str:
    """As people read it, and exactly."""
    return f"{readable_size(size)} ({exact_bytes(size)})" if is_rounded(size) else readable_size(size)

from django.contrib import admin

from web_app.audit.admin import ReadOnlyAdmin
from web_app.grants.models import Grant, StoredUpload


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    list_display = ["id", "state", "collection", "uploader", "max_uploads", "created_at"]
    list_filter = ["state", "collection"]
    list_select_related = ["collection", "uploader"]
    search_fields = ["id", "stored__upload_id", "stored__sha256"]
    show_full_result_count = False


@admin.register(StoredUpload)
class StoredUploadAdmin(ReadOnlyAdmin):
    list_display = ["upload_id", "grant", "size", "media_type", "durable_at"]
    list_select_related = ["grant"]
    search_fields = ["upload_id", "grant__id", "sha256"]
    show_full_result_count = False

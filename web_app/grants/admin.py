from django.contrib import admin

from web_app.audit.admin import ReadOnlyAdmin
from web_app.grants.models import Grant


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    list_display = ["id", "state", "collection", "uploader", "size", "created_at", "completed_at"]
    list_filter = ["state", "collection"]
    list_select_related = ["collection", "uploader"]
    search_fields = ["id", "upload_id", "sha256"]
    show_full_result_count = False

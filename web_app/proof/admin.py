from django.contrib import admin

from web_app.audit.admin import Exported, ReadOnlyAdmin
from web_app.proof.models import Checkpoint


@admin.register(Checkpoint)
class CheckpointAdmin(Exported, ReadOnlyAdmin):
    """Where the services tier's ledger stood, as it signed."""

    list_display = ["seq", "head", "kept_at"]
    date_hierarchy = "kept_at"
    ordering = ["-seq"]
    search_fields = ["=seq", "head"]
    show_full_result_count = False

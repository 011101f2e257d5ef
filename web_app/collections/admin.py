from django.contrib import admin

from web_app.audit.admin import AuditedAdmin
from web_app.collections.models import Collection, Membership


@admin.register(Collection)
class CollectionAdmin(AuditedAdmin):
    list_display = ["slug", "title", "max_size", "active"]
    list_filter = ["active"]
    search_fields = ["slug", "title"]

    def audit_id(self, obj) -> str:
        return obj.slug

    def get_readonly_fields(self, request, obj=None):
        # The slug is the folder on the NAS, in tokens and in receipts.
        return ["slug"] if obj else []


# Not an inline of the collection: a form with hundreds of members would exceed the bound on bodies.
@admin.register(Membership)
class MembershipAdmin(AuditedAdmin):
    list_display = ["collection", "user", "may_upload"]
    list_filter = ["collection", "may_upload"]
    list_select_related = ["collection", "user"]
    autocomplete_fields = ["user", "collection"]

    def audit_id(self, obj) -> str:
        return f"{obj.collection.slug}/{obj.user.uploader_id}"[:64]

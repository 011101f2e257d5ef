from typing import ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import transaction

from web_app.audit.admin import AuditedAdmin
from web_app.collections.models import Collection, Membership
from web_app.storage.driver import RemoteStorageDriver
from web_app.storage.errors import StorageError


class CollectionForm(forms.ModelForm):
    class Meta:
        error_messages: ClassVar = {"media_types": {"invalid": 'Write a list in JSON, such as ["text/csv", "image/*"].'}}


@admin.register(Collection)
class CollectionAdmin(AuditedAdmin):
    form = CollectionForm
    list_display = ["slug", "title", "max_size", "active"]
    list_filter = ["active"]
    search_fields = ["slug", "title"]

    def audit_id(self, obj) -> str:
        return obj.slug

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        # Afterwards: a folder without a collection would stay, a collection without a folder takes nothing and says so.
        transaction.on_commit(lambda: self._make_folder(request, obj.slug))

    def _make_folder(self, request, slug: str) -> None:
        try:
            RemoteStorageDriver().add_collection(slug)
        except StorageError as exc:
            text = f"The services tier did not make the folder ({exc.code}); until it has one, uploads are refused. Save this again."
            self.message_user(request, text, messages.WARNING)

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

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from web_app.accounts.sensitive import AsksForThePassword
from web_app.audit.admin import AuditedAdmin
from web_app.collections.amounts import SIZES, TypesField, in_units, of_count, of_size, of_time
from web_app.collections.models import Collection, Membership
from web_app.storage.driver import RemoteStorageDriver
from web_app.storage.errors import StorageError

_SHOWN = 100  # memberships on the page of a person or a collection


@admin.register(Collection)
class CollectionAdmin(AsksForThePassword, AuditedAdmin):
    list_display = ["slug", "title", "largest_file", "people", "unpack_folders", "active"]
    list_filter = ["active", "unpack_folders"]
    search_fields = ["slug", "title"]
    readonly_fields = ["members_shown"]

    def audit_id(self, obj) -> str:
        return obj.slug

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name in ("max_size", "staged", "quota_bytes", "quota_bytes_each"):
            return of_size(db_field)
        if db_field.name in ("quota_objects", "quota_objects_each"):
            return of_count(db_field)
        if db_field.name in ("start_within", "valid_for"):
            return of_time(db_field)
        if db_field.name == "media_types":
            text = f"{db_field.help_text} One on each line; manage.py media_types lists all."
            return TypesField(label="Media types", help_text=text, required=False, initial=[])
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(people=Count("memberships"))

    @admin.display(description="largest file", ordering="max_size")
    def largest_file(self, obj) -> str:
        return in_units(obj.max_size, SIZES)

    @admin.display(description="members", ordering="people")
    def people(self, obj) -> str:
        return format_html('<a href="{}">{}</a>', _memberships(collection=obj), obj.people)

    @admin.display(description="members")
    def members_shown(self, obj) -> str:
        return members_of(obj.memberships.select_related("user").order_by("user__username"), "user", _memberships(collection=obj))

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

    def get_fields(self, request, obj=None):
        fields = super().get_fields(request, obj)
        return fields if obj else [name for name in fields if name != "members_shown"]

    def get_readonly_fields(self, request, obj=None):
        # The slug is the folder on the NAS, in tokens and in receipts.
        return ["slug", *self.readonly_fields] if obj else self.readonly_fields


# Not an inline of the collection: a form with hundreds of members would exceed the bound on bodies.
@admin.register(Membership)
class MembershipAdmin(AsksForThePassword, AuditedAdmin):
    list_display = ["__str__", "collection", "user", "may_upload", "coordinates"]
    list_filter = ["may_upload", "coordinates", "collection"]
    search_fields = ["user__username", "=user__uploader_id", "collection__slug", "collection__title"]
    list_select_related = ["collection", "user"]
    autocomplete_fields = ["user", "collection"]

    def audit_id(self, obj) -> str:
        return f"{obj.collection.slug}/{obj.user.uploader_id}"[:64]


def _memberships(**of) -> str:
    """Where those of one collection or person are listed."""
    ((name, obj),) = of.items()
    return f"{reverse('admin:collections_membership_changelist')}?{name}__id__exact={obj.pk}"


def memberships_of(person) -> str:
    rows = person.memberships.select_related("collection").order_by("collection__slug")
    return members_of(rows, "collection", _memberships(user=person))


def members_of(memberships, other: str, all_of_them: str) -> str:
    """The other side of each, and its role, with links."""
    rows = [
        (reverse("admin:collections_membership_change", args=[each.pk]), str(getattr(each, other)), roles_of(each))
        for each in memberships[:_SHOWN]
    ]
    listed = format_html_join("", '<li><a href="{}">{}</a>: {}</li>', rows)
    return format_html('<ul>{}</ul><a href="{}">All {} memberships</a>', listed, all_of_them, memberships.count())


def roles_of(membership: Membership) -> str:
    roles = [name for name, has in (("uploader", membership.may_upload), ("coordinator", membership.coordinates)) if has]
    return " and ".join(roles) or "neither uploader nor coordinator"

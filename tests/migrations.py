"""Migrations that old and new code both bear: while a deployment is upgraded, the old code goes on writing to the new tables (ADR 0023)."""

from django.db import models
from django.db.migrations import AddField, AlterField
from django.db.migrations.loader import MigrationLoader


def columns_that_old_code_cannot_fill(package: str, before: set[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Of that tier's apps: `(app, migration, column)` of each that was added, may not be null (by then, or by a later one), and has no
    default in the database.

    `before`: migrations of the time before there were deployments to upgrade.
    """
    found, nullable = [], set()
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        if not migration.__module__.startswith(f"{package}.") or (app, name) in before:
            continue
        for operation in migration.operations:
            if not isinstance(operation, AddField | AlterField) or isinstance(operation.field, models.ManyToManyField):
                continue
            column = (app, operation.model_name.lower(), operation.name)
            if operation.field.null:
                nullable |= {column} if isinstance(operation, AddField) else set()
            elif not operation.field.has_db_default() and (isinstance(operation, AddField) or column in nullable):
                found.append((app, name, operation.name))
    return found

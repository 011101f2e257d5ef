from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Beside each file lies what gzip and brotli make of it. Hashes stand in the modules' imports too: a browser never mixes modules of
    two releases, and may keep each for ever.
    """

    support_js_module_import_aggregation = True

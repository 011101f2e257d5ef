"""Why the services tier's word could not be had.

StorageError
├── StorageUnreachable      no connection, no TLS, or no answer in time
│   └── StorageFailing      an answer that says that it failed (5xx, 429): perhaps of this one object alone
├── StorageRefused          it does not accept our certificate or key: a fault of configuration
├── StorageAnswerBad        an answer that this API does not have
└── ObjectUnknown           404 `upload_unknown`; any other 404 is a bad answer
"""


class StorageError(Exception):
    code = "storage_error"

    def __init__(self) -> None:
        super().__init__(self.code)


class StorageUnreachable(StorageError):
    code = "storage_unreachable"


class StorageFailing(StorageUnreachable):
    code = "storage_failing"


class StorageRefused(StorageError):
    code = "storage_refused"


class StorageAnswerBad(StorageError):
    code = "storage_answer_bad"


class ObjectUnknown(StorageError):
    code = "object_unknown"

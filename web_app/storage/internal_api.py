"""The services tier's internal API: mTLS under its own name, web_app's certificate and key, and no bodies.

`ask` takes no body and returns JSON of a bounded size only, so nothing that is built on it can carry a file either way.
"""

import json
import ssl
from pathlib import Path
from urllib.parse import urlencode

import urllib3
from django.conf import settings

from web_app.config import env, request_id
from web_app.config.watched import Watched
from web_app.storage.errors import ObjectUnknown, StorageAnswerBad, StorageFailing, StorageRefused, StorageUnreachable

# A page of 1000 ids is some 40 KiB.
_LARGEST_ANSWER = 1 << 20
_CONNECT_SECONDS, _READ_SECONDS, _PROMPT_SECONDS = 5, 30, 5


class InternalApi:
    def __init__(
        self, url: str, *, name: str, api_key: str, ca_file, cert_file, key_file, patience: float = _READ_SECONDS
    ):
        """`patience`: seconds that an answer may take."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(ca_file)
        if context.cert_store_stats()["crl"]:  # the authority's list of revoked certificates stands beside it
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.load_cert_chain(cert_file, key_file)
        self._pool = urllib3.PoolManager(
            ssl_context=context,
            # The address may be a bare IP; the certificate must be of this name in any case.
            server_hostname=name,
            assert_hostname=name,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=patience),
            # A lost answer to DELETE must not be read as "it was not there".
            retries=False,
            maxsize=2,
        )
        self._url = url
        self._headers = {"Host": name, "Authorization": f"Bearer {api_key}", "Accept": "application/json"}

    def ask(self, method: str, path: str, query: dict[str, str | list[str]] | None = None) -> dict | None:
        """The answer's JSON object, or None for 204. Raises a StorageError."""
        try:
            response = self._pool.request(
                method,
                f"{self._url}/internal/v1/{path}" + (f"?{urlencode(query, doseq=True)}" if query else ""),
                headers={**self._headers, **_on_behalf_of()},
                redirect=False,
                preload_content=False,
            )
            try:
                # One byte more than allowed tells "too large" from "just fits".
                content = response.read(_LARGEST_ANSWER + 1)
            finally:
                response.release_conn()
        except urllib3.exceptions.HTTPError as exc:
            raise StorageUnreachable from exc
        _raise_for(response.status, content)
        return None if response.status == 204 else _json_object(content)


def _on_behalf_of() -> dict[str, str]:
    request = request_id.current()
    return {"X-Request-Id": request} if request else {}


def _raise_for(status: int, content: bytes) -> None:
    # Only in the services tier's own words: anybody else answers 404 as well, and grants would expire for a wrong SERVICES_URL.
    if status == 404 and _json_object(content).get("code") == "upload_unknown":
        raise ObjectUnknown
    if status in (401, 403):
        raise StorageRefused
    if status >= 500 or status == 429:
        raise StorageFailing
    if status not in (200, 204):
        raise StorageAnswerBad


def _json_object(content: bytes) -> dict:
    try:
        answer = json.loads(content) if len(content) <= _LARGEST_ANSWER else None
    except ValueError as exc:
        raise StorageAnswerBad from exc
    if not isinstance(answer, dict):
        raise StorageAnswerBad
    return answer


def _files() -> list[str | Path]:
    certificates = [settings.SERVICES_CA_FILE, settings.INTERNAL_CLIENT_CERT_FILE, settings.INTERNAL_CLIENT_KEY_FILE]
    return certificates + env.file_of("INTERNAL_API_KEY")


def _configured(**more) -> InternalApi:
    return InternalApi(
        settings.SERVICES_URL,
        name=settings.SERVICES_NAME,
        api_key=env.newest_secret("INTERNAL_API_KEY"),
        ca_file=settings.SERVICES_CA_FILE,
        cert_file=settings.INTERNAL_CLIENT_CERT_FILE,
        key_file=settings.INTERNAL_CLIENT_KEY_FILE,
        **more,
    )


# A request that is running goes on with what it began with.
_NAMES = "INTERNAL_API_KEY_FILE, INTERNAL_CLIENT_CERT_FILE, INTERNAL_CLIENT_KEY_FILE, SERVICES_CA_FILE"
internal_api: Watched[InternalApi] = Watched(_NAMES, _files, _configured)
# While a person waits for a page.
prompt_api: Watched[InternalApi] = Watched(_NAMES, _files, lambda: _configured(patience=_PROMPT_SECONDS))

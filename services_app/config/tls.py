"""The TLS of both listeners: 1.3 alone, with a client certificate, checked in the handshake."""

import ssl

from .watched import Watched


def server_context(certificate: str, key: str, client_authority: str) -> Watched[ssl.SSLContext]:
    """Paths of PEM files; the authority's may hold its list of revoked certificates (CRL, RFC 5280) too.

    One context for all connections, so that nginx can resume its sessions, until one of the files changes. With a new context
    nothing is resumed that another authority let in.
    """
    files = (certificate, key, client_authority)
    return Watched("TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE", lambda: files, lambda: _context(*files))


def _context(certificate: str, key: str, client_authority: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_authority)
    context.verify_mode = ssl.CERT_REQUIRED
    if context.cert_store_stats()["crl"]:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    # A request that is taken over has its socket shut for reading (uploads/ownership/writers.py) and is answered all the same. To OpenSSL
    # that is an end of the stream without a farewell, after which it would write nothing more. Ends are told from bodies
    # that are cut off by their length and chunks, never by TLS.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    return context

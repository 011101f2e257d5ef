"""What of an address counts."""

import ipaddress

_NETWORK = 64  # bits of an IPv6 address; whoever has one has all that begin like it


def network_of(address: str) -> str:
    """What of an address its owner cannot change at will: an IPv4 address, the first 64 bits of an IPv6 one. Empty for none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _NETWORK), strict=False))

"""Which network addresses may be connected to.

An issuer's discovery document names the next URL, and DNS names what a host is: both can point into the
network that Scopegate stands in (Istio CVE-2026-41413). So the address itself is judged, at the moment of
the connection.
"""

import ipaddress

# RFC 6052 section 2.1; an IPv4 address stands in the last 32 bits.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public_address(text: str) -> bool:
    """Whether `text` is an address of the public internet: no private, loopback, link-local or other special one.

    An IPv6 address that carries an IPv4 address is what the IPv4 address is. Anything unreadable is not public.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded(address)
        if embedded is not None:
            return is_public_address(str(embedded))
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    )


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None

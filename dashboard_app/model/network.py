"""Networks as an operator lists them."""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PRIVATE, LOOPBACK = "private", "loopback"
"""Words for networks in the list."""
INSIDE = f"{PRIVATE},{LOOPBACK}"
"""What is listed unless the operator says otherwise."""


def networks_of(text: str) -> tuple[Network | str, ...]:
    """The operator's list: networks and the words `private` and `loopback`, with commas or blanks between them.

    Raises:
        ValueError: one of them is neither; the message says which.

    """
    return tuple(_network(part) for part in re.split(r"[,\s]+", text.strip()) if part)


def _network(part: str) -> Network | str:
    """One entry of the list."""
    if part.lower() in {PRIVATE, LOOPBACK}:
        return part.lower()
    try:
        return ipaddress.ip_network(part, strict=False)
    except ValueError:
        raise ValueError(f"{part[:60]} is no network: write such as 10.0.0.0/8, {PRIVATE} or {LOOPBACK}") from None

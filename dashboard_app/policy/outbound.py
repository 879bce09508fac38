"""Where a connection of ours may lead: pure rules over addresses, however they are spelled.

Public addresses always; loopback and private ones when the operator lists them; where clouds keep credentials, and what is no machine's
address, never. An address that carries another one inside leads to both, so both are judged.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from dashboard_app.model.network import LOOPBACK, PRIVATE, Address, Network

_LOOPBACK = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            *("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10", "64:ff9b:1::/48"),
            *(
                "192.0.0.0/24",
                "192.0.2.0/24",
                "198.18.0.0/15",
                "198.51.100.0/24",
                "203.0.113.0/24",
                "240.0.0.0/4",
            ),  # used inside, if at all
            *("100::/64", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        ),
    )
)
_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure, for the machine's agent
            "192.0.0.192",  # Oracle
            "fd00:ec2::/32",  # Amazon
            "fd20:ce::254",  # Google
        ),
    )
)
_NEVER = (
    ("link-local, where clouds answer with credentials", tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10")))),
    ("where a cloud answers with credentials", _METADATA),
    ("multicast", tuple(map(ipaddress.ip_network, ("224.0.0.0/4", "ff00::/8")))),
    ("no machine's address", tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "::/128")))),
    ("a broadcast", (ipaddress.ip_network("255.255.255.255"),)),
)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_IN_LAST_BITS = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
_PART = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_MOST_PARTS = 4


class Judgement(NamedTuple):
    """Why not; "" for both: it may. `never`: no list of the operator changes that."""

    reason: str = ""
    is_never: bool = False


def judged(address: Address, allowed: Iterable[Network | str]) -> Judgement:
    """Whether a connection may be made to `address`, with all addresses that it carries inside."""
    listed = tuple(allowed)
    verdicts = [_alone(one, listed) for one in _all_of(address)]
    return max(verdicts, key=lambda verdict: (verdict.is_never, bool(verdict.reason)))


def is_never(host: str) -> bool:
    """True for an address, in whatever spelling, to which nothing is ever sent. A name is not looked up: False."""
    address = literal(host)
    return address is not None and judged(address, (PRIVATE, LOOPBACK)).is_never


@lru_cache(maxsize=1024)
def literal(host: str) -> Address | None:
    """The address that `host` spells, also as the C library reads it (decimal, octal, hexadecimal, short forms); None for a name."""
    bare = host.strip().removeprefix("[").removesuffix("]").partition("%")[0].removesuffix(".")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return _as_c_reads(bare)


def _as_c_reads(text: str) -> ipaddress.IPv4Address | None:
    """What inet_aton makes of it: one to four numbers, the last of which fills the bytes that are left."""
    parts = text.split(".")
    if len(parts) > _MOST_PARTS or not all(_PART.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:  # an eight or nine in an octal number
        return None
    *heads, last = numbers
    room = 8 * (_MOST_PARTS - len(heads))
    if any(head >> 8 for head in heads) or last >= 1 << room:
        return None
    value = last
    for place, head in enumerate(heads):
        value |= head << (24 - 8 * place)
    return ipaddress.IPv4Address(value)


def _number(part: str) -> int:
    """One number as C writes it: 0x for hexadecimal, a leading 0 for octal."""
    if part[:2] in {"0x", "0X"}:
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)


def _all_of(address: Address) -> Iterator[Address]:
    """The address itself and every one that it carries; one that is only another spelling of an IPv4 address is that address."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address in _MAPPED:
        yield _v4(int(address))
    else:
        yield ipaddress.IPv6Address(int(address))  # without its zone
        yield from _carried(int(address), address)


def _carried(bits: int, address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses inside an IPv6 address: where a translator or a tunnel would take it."""
    if any(address in network for network in _IN_LAST_BITS) and bits > 1:  # :: and ::1 carry nothing
        yield _v4(bits)
    if address in _LOCAL_NAT64:  # RFC 6052: after 48, 56, 64 or 96 bits of prefix, round a byte that is zero; nobody knows which
        places = (bits >> 48 & 0xFFFF0000 | bits >> 40 & 0xFFFF, bits >> 40 & 0xFF000000 | bits >> 32 & 0xFFFFFF, bits >> 24, bits)
        yield from (one for one in map(_v4, places) if int(one) >> 24)
    if address in _SIX_TO_FOUR:
        yield _v4(bits >> 80)
    if address in _TEREDO:
        yield _v4(bits >> 64)
        yield _v4(~bits)
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield _v4(bits)


def _v4(bits: int) -> ipaddress.IPv4Address:
    """The last 32 bits as an address."""
    return ipaddress.IPv4Address(bits & 0xFFFFFFFF)


def _alone(address: Address, allowed: tuple[Network | str, ...]) -> Judgement:
    """One address, whatever else it carries."""
    for reason, networks in _NEVER:
        if any(address in network for network in networks):
            return Judgement(reason, is_never=True)
    for word, networks in ((LOOPBACK, _LOOPBACK), (PRIVATE, _PRIVATE)):
        if any(address in network for network in networks):
            is_listed = any(one == word if isinstance(one, str) else address in one for one in allowed)
            return Judgement("" if is_listed else f"a {word} address, and SPILLWAY_OUTBOUND_NETWORKS does not list it")
    return Judgement()

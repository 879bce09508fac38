"""Addresses in every spelling that a resolver or a C library takes, each against what it really is."""

import ipaddress

import pytest

from dashboard_app.model.network import INSIDE as LISTED
from dashboard_app.model.network import networks_of
from dashboard_app.policy.outbound import Judgement, is_never, judged, literal

ALL = networks_of(LISTED)
NEVER_V4 = (
    *("169.254.169.254", "169.254.170.2", "169.254.0.1", "169.254.255.255"),  # credentials of machines and containers
    *("100.100.100.200", "168.63.129.16", "192.0.0.192", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255"),  # noqa: S104
)
NEVER_V6 = (
    *("fe80::1", "fe80::a9fe:a9fe", "febf:ffff::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "ff02::1", "ff05::1:3", "::"),
    *("FE80::1", "fe80:0:0:0:0:0:0:1", "fe80::1%eth0", "fe80::1%25eth0", "[fe80::1]", "[::]", "FD00:0EC2:0000::0254"),
)
INSIDE = (
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
    *("127.0.0.1", "127.255.255.254"),
)
OUTSIDE = ("8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "169.253.1.1", "11.0.0.1", "192.169.0.1")


def spellings(dotted):
    """Every way of writing an IPv4 address that inet_aton takes, or that leads to it through IPv6."""
    value = int(ipaddress.IPv4Address(dotted))
    a, b, c, d = value.to_bytes(4, "big")
    high, low = value >> 16, value & 0xFFFF
    yield from (f"{a}.{b}.{c}.{d}", f"{a}.{b}.{c}.{d}.", f"{a}.{b}.{low}", f"{a}.{value & 0xFFFFFF}", f"{value}")
    yield from (
        f"0x{a:02x}.0x{b:02x}.0x{c:02x}.0x{d:02x}",
        f"0X{a:X}.0X{b:X}.{low}",
        f"0x{value:08x}",
        f"0x{value:x}",
        f"0x0000{value:08X}",
    )
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"000{a:o}.{b}.0x{c:x}.{d}", f"0{value:o}", f"0{a:o}.{value & 0xFFFFFF}")
    yield from (f"::ffff:{dotted}", f"::FFFF:{high:x}:{low:x}", f"[::ffff:{dotted}]", f"0:0:0:0:0:ffff:{high:04x}:{low:04x}")
    yield from (f"::ffff:0:{dotted}", f"64:ff9b::{dotted}", f"64:ff9b:0::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::1")
    yield from (
        f"2001:0:{high:x}:{low:x}::f7f7:f7f7",
        f"2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",
        f"2620::5efe:{dotted}",
        f"2620::200:5efe:{dotted}",
    )
    if a:  # the others would stand for :: and for what a prefix leaves open
        yield from (f"::{dotted}", f"64:ff9b:1::{dotted}", f"64:ff9b:1:{high:x}:{low >> 8:x}:{(low & 0xFF) << 8:x}::")
        yield from (f"64:ff9b:1:{a:x}:{b:x}:{low:x}::", f"64:ff9b:1:0:{a:x}:{b << 8 | c:x}:{d << 8:x}:0")


NEVER = sorted({*NEVER_V6, *(text for dotted in NEVER_V4 for text in spellings(dotted))})
"""The corpus: each of these must be refused whatever the operator lists."""


def test_the_corpus_is_a_large_one():
    assert len(NEVER) >= 300


@pytest.mark.parametrize("allowed", [(), ALL, networks_of("0.0.0.0/0, ::/0")], ids=["nothing listed", "all words", "all addresses"])
def test_link_local_metadata_multicast_and_no_machine_are_refused_in_every_spelling_whatever_is_listed(allowed):
    assert [text for text in NEVER if not judged(literal(text), allowed).is_never] == []
    assert [text for text in NEVER if not is_never(text)] == []


def test_what_is_inside_needs_the_operators_list_in_every_spelling():
    texts = [text for dotted in INSIDE for text in spellings(dotted)] + ["::1", "fd12::1", "fec0::1", "[::1]"]
    assert [text for text in texts if judged(literal(text), ALL).reason] == []
    assert [text for text in texts if judged(literal(text), ()) in (Judgement(), None) or judged(literal(text), ()).is_never] == []


def test_what_is_outside_needs_no_list_in_any_spelling():
    texts = [text for dotted in OUTSIDE for text in spellings(dotted) if not text.startswith("64:ff9b:1:")] + ["2606:4700::1111"]
    assert [text for text in texts if judged(literal(text), ()).reason] == []


@pytest.mark.parametrize(
    ("listed", "may", "may_not"),
    [
        ("10.20.0.0/16", ("10.20.3.4", "::ffff:10.20.3.4", "0x0a140304"), ("10.21.0.1", "127.0.0.1", "192.168.0.1", "2002:a15:1::")),
        ("10.20.3.4, fd12::/16", ("10.20.3.4", "fd12::7"), ("10.20.3.5", "fd13::1", "fd00:ec2::254")),
        ("loopback", ("127.0.0.1", "::1", "127.1"), ("10.0.0.1", "64:ff9b::10.0.0.1")),
        ("Private", ("10.0.0.1", "fd12::1", "100.64.0.1"), ("127.0.0.1", "::1", "2002:7f00:1::")),
        ("169.254.0.0/16 fe80::/10", (), ("169.254.169.254", "fe80::1", "10.0.0.1")),
        ("", ("8.8.8.8",), ("10.0.0.1", "::1")),
    ],
)
def test_the_list_names_networks_addresses_and_two_words(listed, may, may_not):
    allowed = networks_of(listed)
    assert [text for text in may if judged(literal(text), allowed).reason] == []
    assert [text for text in may_not if not judged(literal(text), allowed).reason] == []


def test_a_reason_says_what_the_operator_can_do():
    assert judged(literal("10.0.0.1"), ()).reason == "a private address, and SPILLWAY_OUTBOUND_NETWORKS does not list it"
    assert judged(literal("169.254.169.254"), ALL).reason.startswith("link-local")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "db.example.org", "public", "10.0.0.0/8;::1"])
def test_a_list_with_something_else_in_it_is_refused(text):
    with pytest.raises(ValueError, match="is no network"):
        networks_of(f"private,{text}")


@pytest.mark.parametrize(
    "host",
    ["db.example.org", "localhost", "", "256.1.1.1", "1.2.3.4.5", "09.1.1.1", "1.2.65536", "4294967296", "0xg", "a.1", "1..2", "1.256.1"],
)
def test_a_name_is_no_address(host):
    assert literal(host) is None
    assert not is_never(host)

"""Which Host and Origin this installation answers to. A page of another site, or a name that was bent to us, gets nothing.

Allowed hosts: HOST:PORT, localhost, 127.0.0.1 and [::1] with any port or none (a tunnel ends on a port of its own), and PUBLIC_URL's.
When HOST is 0.0.0.0 or :: every IP address with the port is allowed too: rebinding needs a name, and which addresses the machine has is
not known here.
"""

import ipaddress
import re
from urllib.parse import urlsplit

_HTTP_PORTS = {"http": 80, "https": 443}
_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


class AllowedHosts:
    """The allow-list of one installation."""

    def __init__(self, host: str, port: int, public_url: str | None) -> None:
        """From HOST, PORT and PUBLIC_URL."""
        self._port = port
        self._takes_any_address = host in _EVERY_ADDRESS
        names = set() if self._takes_any_address else {_bracketed(host.lower())}
        self._hosts = {f"{name}:{port}" for name in names} | ({*names} if port in _HTTP_PORTS.values() else set())
        self._public_origin = ""
        if public_url:
            parts = urlsplit(public_url.lower())
            standard = _HTTP_PORTS.get(parts.scheme)
            name = _bracketed(parts.hostname or "")
            self._public_origin = f"{parts.scheme}://{name}" + (f":{parts.port}" if parts.port not in (None, standard) else "")
            self._hosts |= {f"{name}:{parts.port or standard}"} | ({name} if parts.port in (None, standard) else set())

    def allows(self, host: str) -> bool:
        """True when a request with this Host header is for us."""
        host = host.lower()
        return (
            host in self._hosts or _LOOPBACK.fullmatch(host) is not None or (self._takes_any_address and self._is_address_with_port(host))
        )

    def allows_origin(self, origin: str, host: str) -> bool:
        """True when a page of `origin` may send an unsafe request to `host`: it is our own page."""
        origin = origin.lower()
        scheme, _, netloc = origin.partition("://")
        if scheme not in _HTTP_PORTS:
            return False  # "null", and schemes of extensions and files
        return origin == self._public_origin or (self.allows(host) and _same_netloc(netloc, host.lower(), _HTTP_PORTS[scheme]))

    def _is_address_with_port(self, host: str) -> bool:
        """True for "10.0.0.5:8000" and "[fd00::5]:8000" with our port."""
        name, _, port = host.rpartition(":")
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return port == str(self._port)


def _bracketed(name: str) -> str:
    """An IPv6 address as it stands in a URL; any other name as it is."""
    return f"[{name}]" if ":" in name else name


def _same_netloc(left: str, right: str, standard_port: int) -> bool:
    """True when both name the same host and port; a missing port is the standard one."""
    suffix = f":{standard_port}"
    return left.removesuffix(suffix) == right.removesuffix(suffix)

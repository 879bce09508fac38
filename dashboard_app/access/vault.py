"""The keys of this installation: they encrypt stored credentials and sign session cookies.

What is stored names the key that wrote it (`k1.<id>.<text>`), so that it is known, without opening it, what an old key is still needed for.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dashboard_app.model.errors import Failed, StartRefused
from dashboard_app.model.secret import Secret
from dashboard_app.runtime.whole_file import replace_file
from dashboard_app.settings import Settings

KEY_FILE = "secret.key"
_KEY_BYTES = 32
_ID_DIGITS = 8
_FORM = b"k1."
_UNREADABLE = "A stored password cannot be read with the present SECRET_KEY. Enter it again."


class Vault:
    """Encrypts and signs with the first key, decrypts and checks with all. Keys are read at the first use.

    They come from SECRET_KEY; when that is unset, from DATA_DIR/secret.key, which is generated with mode 0600.
    """

    def __init__(self, settings: Settings) -> None:
        """No I/O."""
        self._settings = settings

    def encrypt(self, secret: Secret) -> bytes:
        """`secret` as bytes that can be stored; different each time."""
        first = next(iter(self._locks))
        return _FORM + first.encode() + b"." + self._locks[first].encrypt(secret.reveal().encode())

    def decrypt(self, stored: bytes) -> Secret:
        """The secret behind `stored`. Raises Failed when no key fits: SECRET_KEY changed, or the file was replaced."""
        key_id, text = _parts(stored)
        locks = list(self._locks.values()) if key_id is None else [self._locks[key_id]] if key_id in self._locks else []
        try:
            return Secret(MultiFernet(locks).decrypt(text).decode()) if locks else _no_key(key_id)
        except InvalidToken as error:
            raise Failed(_UNREADABLE) from error

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys, newest first: a hash of each, from which no key can be told."""
        return tuple(self._locks)

    def is_current(self, stored: bytes) -> bool:
        """True when the first key wrote `stored`: no older one is needed for it."""
        return _parts(stored)[0] == self.key_ids[0]

    def sign(self, text: str) -> str:
        """A signature of `text`, URL-safe."""
        return _signature(self._signing_keys[0], text)

    def is_signed(self, text: str, signature: str) -> bool:
        """True when any of the keys made `signature`; compared in constant time."""
        given = signature.encode()
        return any(hmac.compare_digest(_signature(key, text).encode(), given) for key in self._signing_keys)

    @cached_property
    def _locks(self) -> Mapping[str, Fernet]:
        """By the key's id: the first encrypts, all decrypt."""
        return {key_id(key): Fernet(base64.urlsafe_b64encode(_derived(key, b"spillway credentials"))) for key in self._keys}

    @cached_property
    def _signing_keys(self) -> tuple[bytes, ...]:
        """First signs, all check."""
        return tuple(_derived(key, b"spillway sessions") for key in self._keys)

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        """The keys, newest first."""
        if self._settings.secret_key is None:
            return _listed(generated_key(self._settings.data_dir / KEY_FILE))
        return _listed(self._settings.secret_key.get_secret_value())


def add_key(path: Path) -> str:
    """Put a new key in front of those in `path` and return its id; what the older ones wrote stays readable. Raises StartRefused."""
    old, fresh = generated_key(path), secrets.token_urlsafe(_KEY_BYTES)
    try:
        replace_file(path, f"{fresh},{old}\n".encode("ascii"))
    except OSError as error:
        raise StartRefused(f"{path}: the secret key cannot be written") from error
    return key_id(fresh)


def key_id(key: str) -> str:
    """What a key is called in what it wrote."""
    return _derived(key, b"spillway key id").hex()[:_ID_DIGITS]


def generated_key(path: Path) -> str:
    """The key in `path`, made when there is none; two processes that make it at once agree on one.

    Raises:
        StartRefused: the file cannot be read or written, or is empty.

    """
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(f"{path}: the secret key cannot be read or made") from error
    if not key:
        raise StartRefused(f"{path}: the secret key is empty; restore it, or delete the file and enter stored passwords again")
    return key


def _make(path: Path) -> None:
    """Write a new key beside `path` and link it into place: the file is whole from its first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_urlsafe(_KEY_BYTES).encode() + b"\n")
        os.fsync(descriptor)
        os.link(fresh, path)
    except FileExistsError:
        return  # another process was first: its key counts
    finally:
        os.close(descriptor)
        fresh.unlink()


def _listed(text: str) -> tuple[str, ...]:
    """The keys of a list with commas."""
    return tuple(key.strip() for key in text.split(",") if key.strip())


def _parts(stored: bytes) -> tuple[str | None, bytes]:
    """The id of the key that wrote it, and what it wrote; no id: it is from before keys had one."""
    if not stored.startswith(_FORM):
        return None, stored
    name, _, text = stored.removeprefix(_FORM).partition(b".")
    return name.decode("ascii", "replace"), text


def _no_key(wanted: str | None) -> Secret:
    """Raise Failed."""
    raise Failed(f"{_UNREADABLE} It was written with key {wanted}.")


def _derived(key: str, purpose: bytes) -> bytes:
    """32 bytes for one purpose (HKDF, RFC 5869, SHA-256)."""
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose).derive(key.encode())


def _signature(key: bytes, text: str) -> str:
    """HMAC-SHA-256, URL-safe, without padding."""
    return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode().rstrip("=")

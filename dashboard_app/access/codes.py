"""Codes of an authenticator app (RFC 6238) and recovery codes: pure functions of a key, a code and the time."""

import base64
import secrets
from datetime import datetime

import pyotp
import segno

from dashboard_app.model.secret import Secret

STEP_S = 30
DRIFT_STEPS = 1
"""A code of the step before and after counts, too: clocks differ, and typing takes a while."""
CODES = 10
_ISSUER = "Spillway"
_GROUP = 4


def new_key() -> Secret:
    """A fresh key: 160 random bits as base32."""
    return Secret(pyotp.random_base32())


def address(key: Secret, email: str) -> str:
    """The `otpauth:` address that an app reads the key from."""
    return pyotp.TOTP(key.reveal()).provisioning_uri(name=email, issuer_name=_ISSUER)


def picture(address_: str) -> str:
    """The address as a QR code, an SVG in a `data:` address: black on white in both themes, so that every camera reads it."""
    return str(segno.make(address_, error="m", micro=False).svg_data_uri(scale=4, border=4, dark="#000", light="#fff"))


def step_of(key: Secret, code: str, now: datetime) -> int | None:
    """The step whose code this is, near now; None when it is none of them."""
    digits = code.replace(" ", "")
    if not digits.isascii() or not digits.isdigit():
        return None
    totp, present = pyotp.TOTP(key.reveal()), int(now.timestamp()) // STEP_S
    near = range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1)
    return next((step for step in near if secrets.compare_digest(totp.at(step * STEP_S), digits)), None)


def new_recovery_codes() -> list[str]:
    """Ten codes of 120 random bits, in groups that can be read aloud: too many to guess, so a plain hash is enough to keep them."""
    return [_grouped(base64.b32encode(secrets.token_bytes(15)).decode().lower()) for _ in range(CODES)]


def normal(recovery_code: str) -> str:
    """A recovery code as it is hashed, however it was typed."""
    return "".join(letter for letter in recovery_code.lower() if letter.isalnum())[:100]


def _grouped(text: str) -> str:
    """Abcdefgh → abcd-efgh."""
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))

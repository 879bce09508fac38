"""Why a message was not sent, in the few words that the process beside this one may say, and the sentences for people."""

from enum import StrEnum


class Reason(StrEnum):
    """Why."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    NO_NAME = "no_name"
    NO_LISTENER = "no_listener"
    TLS = "tls"
    CUT = "cut"
    REFUSED_ADDRESS = "refused_address"
    LOCAL = "local"
    NOT_UNDERSTOOD = "not_understood"
    UNKNOWN = "unknown"


_SENTENCES = {
    Reason.NO_NAME: "The receiver's name cannot be found.",
    Reason.NO_LISTENER: "Nothing listens at the receiver's address.",
    Reason.TLS: "The receiver's certificate is not trusted.",
    Reason.CUT: "The receiver cut the connection.",
    Reason.REFUSED_ADDRESS: "The receiver's name leads to an address that nothing is sent to.",
    Reason.LOCAL: "This service needs files or programs of this machine, which it does not get.",
    Reason.NOT_UNDERSTOOD: "The address is not understood.",
    Reason.UNKNOWN: "The service did not take it, and does not say why.",
}
_FINAL = frozenset({Reason.REFUSED_ADDRESS, Reason.LOCAL, Reason.NOT_UNDERSTOOD})
_PASSING = frozenset({408, 425, 429})
_CLIENT_ERRORS = range(400, 500)
_MEANINGS = {
    401: "the token or password is not right",
    403: "it is not allowed",
    404: "there is no such receiver",
    410: "the receiver is gone",
    413: "the message is too long",
    429: "too many messages",
}


def sentence(reason: Reason, status: int | None, limit_s: float) -> str:
    """Why, for a person."""
    if reason is Reason.TIMEOUT:
        return f"The receiver did not answer within {limit_s:g} s."
    if reason is Reason.ANSWERED and status is not None:
        meaning = _MEANINGS.get(status)
        return f"The receiver answered {status}{f': {meaning}' if meaning else ''}."
    return _SENTENCES.get(reason, _SENTENCES[Reason.UNKNOWN])


def is_final(reason: Reason, status: int | None) -> bool:
    """True when another try would fare the same: what the receiver refuses for good, and what is refused here."""
    return reason in _FINAL or (status is not None and status in _CLIENT_ERRORS and status not in _PASSING)

"""The errors of Spillway: one tree, a branch for each choice a caller has.

SpillwayError
├── Refused            the request is wrong; the same request will be refused again
│   ├── InvalidInput · NotFound · Conflict (WrongKind · NotSupportedByServer) · KindNotSupported · TooLarge
│   └── NotSignedIn (SecondFactorNeeded · ProviderRefused) · Forbidden (InsufficientScope · ProofNeeded)
├── TryLater           the request is right, the moment is not; carries `retry_after_s`
│   ├── DatabaseUnavailable · ProviderAway · RateLimited · BreakerOpen · QueueFull · DeadlinePassed
└── Failed             something else broke; carries what and why, in words for a log
    ├── BackendFailed · ProbeFailed · NotDelivered · Reclaimed · StartRefused
"""

from typing import ClassVar


class SpillwayError(Exception):
    """The root. `code` is the machine's word for it, `detail` the sentence for a person (never a raw driver text)."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str = "") -> None:
        """Keep `detail`; an empty one falls back to the first line of the class's docstring."""
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(self.detail)


class Refused(SpillwayError):
    """The request is wrong."""

    code = "refused"


class InvalidInput(Refused):
    """A value is not acceptable. `errors` names each: {"field", "message"}."""

    code = "invalid_input"

    def __init__(self, detail: str = "", errors: tuple[dict[str, str], ...] = ()) -> None:
        """Keep the per-field reasons beside the sentence."""
        super().__init__(detail)
        self.errors = errors


class KindNotSupported(InvalidInput):
    """This kind of source is not built yet."""

    code = "kind_not_supported"


class NotFound(Refused):
    """There is no such thing."""

    code = "not_found"


class Conflict(Refused):
    """It is in a state that does not allow this."""

    code = "conflict"


class WrongKind(Conflict):
    """This source is of another kind."""

    code = "wrong_kind"


class NotSupportedByServer(Conflict):
    """The server that this is about has no such command."""

    code = "not_supported_by_server"


class TooLarge(Refused):
    """The body is larger than this call takes."""

    code = "too_large"


class NotSignedIn(Refused):
    """Sign in first, or send a bearer token."""

    code = "not_signed_in"


class SecondFactorNeeded(NotSignedIn):
    """The password was right; a code of the app is asked for, too."""

    code = "second_factor_needed"

    def __init__(self, detail: str = "", *, ticket: str = "") -> None:
        """`ticket` comes back with the code."""
        super().__init__(detail)
        self.ticket = ticket


class ProviderRefused(NotSignedIn):
    """Whoever signed in with the identity provider may not come in. `reason` is the machine's word for why."""

    code = "provider_refused"

    def __init__(self, reason: str, detail: str = "") -> None:
        """Keep the reason; the sentence for it is made where it is shown."""
        super().__init__(detail or reason)
        self.reason = reason


class Forbidden(Refused):
    """Your role does not allow this."""

    code = "forbidden"


class InsufficientScope(Forbidden):
    """This token is narrowed to other things."""

    code = "insufficient_scope"


class ProofNeeded(Forbidden):
    """Show again who you are: Your account, in the user menu."""

    code = "proof_needed"


class TryLater(SpillwayError):
    """Not now. `retry_after_s` is when it is worth asking again."""

    code = "try_later"

    def __init__(self, detail: str = "", retry_after_s: float = 1.0) -> None:
        """Keep when to ask again, in seconds."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class DatabaseUnavailable(TryLater):
    """The database has no connection to give, or does not answer."""

    code = "database_unavailable"


class ProviderAway(TryLater):
    """The identity provider does not answer, or not as one."""

    code = "provider_away"


class RateLimited(TryLater):
    """Too many requests from this address."""

    code = "rate_limited"


class BreakerOpen(TryLater):
    """The circuit breaker is open: the server is left alone for a while."""

    code = "breaker_open"


class QueueFull(TryLater):
    """The request queue is full."""

    code = "queue_full"


class DeadlinePassed(TryLater):
    """The request waited longer than its deadline."""

    code = "deadline_passed"


class Failed(SpillwayError):
    """Something this call depends on broke."""

    code = "failed"


class BackendFailed(Failed):
    """The server this console reads from failed. `status` is its HTTP status, None when it gave no answer.

    `cause` is one of refused, timeout, unauthorized, http, garbage: the words of the banner are chosen by it.
    """

    code = "backend_failed"

    def __init__(
        self,
        detail: str = "",
        *,
        cause: str = "http",
        status: int | None = None,
        problem_code: str = "",
        retry_after_s: float | None = None,
        reference: str = "",
    ) -> None:
        """Keep the facts of the failure. `reference` is how its request is found in the server's log."""
        super().__init__(detail)
        self.cause = cause
        self.status = status
        self.problem_code = problem_code
        self.retry_after_s = retry_after_s
        self.reference = reference


class ProbeFailed(Failed):
    """The source gave no reading. `step` is where it ended: name, TCP, TLS, sign in or query."""

    code = "probe_failed"

    def __init__(
        self, detail: str = "", *, step: str = "", timed_out: bool = False, given_up: bool = False, retry_after_s: float | None = None
    ) -> None:
        """Keep the step, whether it ended by the time limit, whether we ended it ourselves, and when the source wants to be asked again."""
        super().__init__(detail)
        self.step = step
        self.timed_out = timed_out
        self.given_up = given_up
        self.retry_after_s = retry_after_s


class NotDelivered(Failed):
    """The message could not be delivered. `is_final`: another try would fare the same."""

    code = "not_delivered"

    def __init__(self, detail: str = "", *, is_final: bool = False) -> None:
        """Keep whether another try is worth it."""
        super().__init__(detail)
        self.is_final = is_final


class Reclaimed(Failed):
    """This connection was taken back by the pool guard; its work is lost."""

    code = "reclaimed"


class StartRefused(Failed):
    """Spillway does not start; each line of the detail names one mistake."""

    code = "start_refused"

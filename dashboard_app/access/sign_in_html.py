"""The words and the HTML of the pages before a session: plain forms in the console's look, without script or socket."""

from dataclasses import dataclass
from html import escape
from urllib.parse import quote

PING_ATTRIBUTE = "sign-in-ping"
_MARK = (
    '<svg class="mark" width="28" height="28" viewBox="0 0 24 24" aria-hidden="true"><rect width="24" height="24" rx="6" fill="#3e63dd"/>'
    '<path d="M4 8h6c3.6 0 3.4 5 6.2 5H20M4 12h3.4c3.4 0 3.4 5 6.4 5H20" fill="none" stroke="#fff" stroke-width="1.9" '
    'stroke-linecap="round"/></svg>'
)


@dataclass(frozen=True, slots=True)
class SignInView:
    """What the sign-in page shows. `ping_ms` None: the server's database did not answer in time; `wait_s` > 0 holds the button.

    `provider` is what the identity provider is called, "" without one.
    """

    environment: str
    ping_ms: float | None
    email: str = ""
    next_path: str = "/"
    notice: str = ""
    error: str = ""
    wait_s: int = 0
    provider: str = ""


def sign_in_page(view: SignInView) -> str:
    """The sign-in page."""
    held = f' data-wait-s="{view.wait_s}"' if view.wait_s else ""  # the script disables it; without one it stays usable
    form = (
        '<form method="post" action="/login">'
        f'<input type="hidden" name="next" value="{escape(view.next_path)}">'
        + _field("email", "Email", "email", "username", view.email, testid="sign-in-email", autofocus=not view.email)
        + _field("password", "Password", "password", "current-password", "", testid="sign-in-password", autofocus=bool(view.email))
        + f'<button type="submit" data-testid="sign-in-submit"{held}>Sign in</button></form>'
    )
    content = _notices(view.notice, view.error) + form + _provider_link(view) + _ping_line(view.ping_ms)
    return _document("Sign in", view.environment, content)


def _provider_link(view: SignInView) -> str:
    """The way to the identity provider, when there is one: a link, so that it works without a script."""
    if not view.provider:
        return ""
    back = "" if view.next_path == "/" else f"?next={quote(view.next_path, safe='/')}"
    return (
        f'<p class="or"><span>or</span></p><a class="button" href="/oidc/start{escape(back)}" data-testid="sign-in-provider">'
        f"Sign in with {escape(view.provider)}</a>"
    )


def code_page(environment: str, ticket: str, next_path: str, error: str = "") -> str:
    """The second step of a sign-in: a code of the app, or a recovery code."""
    form = (
        '<form method="post" action="/login">'
        f'<input type="hidden" name="ticket" value="{escape(ticket)}"><input type="hidden" name="next" value="{escape(next_path)}">'
        + _field("code", "Code", "text", "one-time-code", "", testid="sign-in-code", autofocus=True)
        + '<button type="submit" data-testid="sign-in-submit">Sign in</button></form>'
    )
    intro = "Enter the code that your authenticator app shows, or one of your recovery codes."
    return _document("Second step", environment, _notices(intro, error) + form + '<p><a href="/login">Start again</a></p>')


def setup_page(environment: str, token: str, email: str = "", error: str = "") -> str:
    """The page of the one-time link: makes the first admin."""
    form = (
        '<form method="post" action="/setup">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        + _field("email", "Email", "email", "username", email, testid="setup-email", autofocus=True)
        + _field("password", "Password, 8 characters or more", "password", "new-password", "", testid="setup-password")
        + '<button type="submit" data-testid="setup-submit">Create the first admin</button></form>'
    )
    intro = "Nobody has an account yet. This link works once and makes the first admin."
    return _document("First sign-in", environment, _notices(intro, error) + form)


def password_page(environment: str, token: str, email: str, error: str = "") -> str:
    """The page of a link from an admin: sets a password."""
    form = (
        '<form method="post" action="/password">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        f'<input type="hidden" name="email" value="{escape(email)}" autocomplete="username">'
        + _field("password", "New password, 8 characters or more", "password", "new-password", "", testid="password-new", autofocus=True)
        + '<button type="submit" data-testid="password-submit">Set the password</button></form>'
    )
    intro = f"Choose a password for {email}. This link works once; the account is signed out everywhere."
    return _document("Set a password", environment, _notices(intro, error) + form)


def message_page(environment: str, title: str, text: str) -> str:
    """A page that only says something, with a way to the sign-in."""
    return _document(title, environment, f'<p class="notice" role="status">{_with_code(text)}</p><p><a href="/login">Sign in</a></p>')


def ping_words(ping_ms: float | None) -> str:
    """The line under the form."""
    if ping_ms is None:
        return "Server does not answer; signing in may fail"
    return f"Server answers ({max(round(ping_ms), 1)} ms)"


def _document(title: str, environment: str, content: str) -> str:
    """One centred card."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Spillway</title>"
        '<link rel="icon" href="/favicon.svg" type="image/svg+xml"><link rel="stylesheet" href="/gate.css">'
        '<script src="/gate.js"></script></head><body><main>'
        f'<header>{_MARK}<h1>Spillway</h1><span class="environment">{escape(environment)}</span></header>{content}</main></body></html>'
    )


def _field(name: str, label: str, kind: str, autocomplete: str, value: str, *, testid: str, autofocus: bool = False) -> str:
    """A labelled input."""
    focus = " autofocus" if autofocus else ""
    return (
        f'<label for="{name}">{label}</label><input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" '
        f'autocomplete="{autocomplete}" data-testid="{testid}" required{focus}>'
    )


def _notices(notice: str, error: str) -> str:
    """What is said above the form."""
    said = f'<p class="notice" role="status">{_with_code(notice)}</p>' if notice else ""
    return said + (f'<p class="error" role="alert" id="error" data-testid="sign-in-error">{escape(error)}</p>' if error else "")


def _with_code(text: str) -> str:
    """Text with `commands` set as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _ping_line(ping_ms: float | None) -> str:
    """The line that says whether the server answers."""
    tone = "away" if ping_ms is None else "answers"
    return f'<p class="ping {tone}" role="status" data-testid="{PING_ATTRIBUTE}">{escape(ping_words(ping_ms))}</p>'

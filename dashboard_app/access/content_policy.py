"""What a page of ours may load and run: the policy of content, made from what the build put into its pages."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256

_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For answers that are no pages: should a browser show one as a page nevertheless, nothing in it runs."""
DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For the API's documentation: Swagger UI writes styles into its elements, and draws its icons from data: addresses."""


def inline_scripts(pages: Iterable[str]) -> tuple[str, ...]:
    """The scripts that stand in these pages themselves (HTML as the build writes it), each named once by its hash, as a policy wants it."""
    found = {text for page in pages for attributes, text in _SCRIPT.findall(page) if " src=" not in attributes}
    return tuple(sorted(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in found))


def page_policy(host: str, scripts: Sequence[str]) -> str:
    """The policy of the console's pages at `host`, which was checked: nothing from elsewhere, no eval, no script that the build did not write.

    Sheets may be inline, since Emotion and Radix (it locks what scrolls behind a dialog) make them at run time; `style` attributes may not.
    """
    return (
        f"default-src 'none'; script-src 'self' {' '.join(scripts)}; style-src 'self' 'unsafe-inline'; style-src-attr 'none'; "
        f"img-src 'self' data:; font-src 'self'; connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )

"""What a page of ours may load and run: the policy of content, made from what the build put into its pages."""

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

_ELEMENT = re.compile(r"<(script|style)\b([^>]*)>(.*?)</\1>", re.DOTALL)
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""An empty sheet, into which Emotion writes its rules one by one: text that came with a page cannot hide in it."""
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For answers that are no pages: should a browser show one as a page nevertheless, nothing in it runs."""
DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For the API's documentation: Swagger UI writes styles into its elements, and draws its icons from data: addresses."""


@dataclass(frozen=True, slots=True)
class Inline:
    """What stands inside the built pages themselves, each part named by its hash, as a policy wants it."""

    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()


def inline_of(pages: Iterable[str]) -> Inline:
    """The inline scripts and style sheets of these pages (HTML as the build writes it), each once."""
    found: dict[str, set[str]] = {"script": set(), "style": set()}
    for page in pages:
        for tag, attributes, text in _ELEMENT.findall(page):
            if " src=" not in attributes:
                found[tag].add(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")
    return Inline(tuple(sorted(found["script"])), tuple(sorted(found["style"])))


def page_policy(host: str, inline: Inline) -> str:
    """The policy of the console's pages at `host`, which was checked: nothing from elsewhere, no eval, no inline text that the build did not write."""
    scripts, styles = " ".join(inline.scripts), " ".join((_EMPTY_STYLE, *inline.styles))
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' {styles}; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )

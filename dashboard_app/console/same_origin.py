"""One build for any host and port: the built page talks to where it came from.

Reflex bakes the address of the build into the chunk `reflex-env-*.js`; a page served elsewhere would look for its socket there.
"""

import re
from pathlib import Path
from typing import Any

from reflex_base.plugins import Plugin

_BAKED = re.compile(r"""(["'`])(ws|http)s?://[^/"'`]+(/[^"'`]*)\1""")
_ORIGIN = {"ws": "(location.protocol===`https:`?`wss://`:`ws://`)+location.host+`", "http": "location.origin+`"}


class SameOriginPlugin(Plugin):
    """Rewrites the chunk after each build."""

    def post_build(self, **context: Any) -> None:
        """Make each baked address relative to the page's own; raises RuntimeError when there is none, as after a change in Reflex."""
        count = 0
        for chunk in (Path(context["static_dir"]) / "assets").glob("reflex-env-*.js"):
            text, found = _BAKED.subn(lambda match: f"{_ORIGIN[match[2]]}{match[3]}`", chunk.read_text(encoding="utf-8"))
            chunk.write_text(text, encoding="utf-8")
            count += found
        if not count:
            msg = "no address found in reflex-env-*.js: this Reflex builds it differently"
            raise RuntimeError(msg)

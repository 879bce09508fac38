"""Who is watching: hands changes to open pages, a few times a second, and drops who has gone. Pages out of sight get nothing.

Reflex keeps what a page shows for STATE_KEPT_S after it was last asked for, here as long as its socket is open: what is gone is given back.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import reflex as rx

from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import Clock
from dashboard_app.runtime.wake import Wake

_log = logging.getLogger(__name__)
PUSH_EVERY_S = 0.4
"""With the ages that a page rewrites each second by itself, a page changes less than four times a second."""
_SWEEP_EVERY_S = 2.0
_PUSH_LIMIT_S = 5.0
STATE_KEPT_S = 120
"""A page that comes back later is read anew from its address, as after a reload."""
_KEEP_EVERY_S = 30.0
VIEWERS_AT_MOST = 5000
"""Beyond it new pages are not followed: they still load, and say what they showed last."""


class PushApp(Protocol):
    """What of `rx.App` a push needs."""

    event_namespace: Any
    state_manager: Any

    def modify_state(self, token: Any) -> Any:
        """An async context manager that gives the root state of one client and sends what changed."""


Renderer = Callable[[Any, dict[str, Any]], Awaitable[None] | None]
"""How one page takes over changes: `render(root, params)` finds its states with `root.get_state` and assigns their vars."""


@dataclass(slots=True)
class _Viewer:
    """One open page. `session` is what the session check is asked with; it never leaves this process."""

    page: str
    params: dict[str, Any]
    session: str
    seen_version: int
    is_hidden: bool = False
    is_pushing: bool = False
    visible: frozenset[int] = field(default_factory=frozenset)


class Viewers:
    """The registry. A page calls `watch` from its on_load and again when its filter, sort or page changes."""

    def __init__(self, snapshot: Snapshot, clock: Clock) -> None:
        """Nobody watches."""
        self._snapshot, self._clock = snapshot, clock
        self._viewers: dict[str, _Viewer] = {}
        self._renderers: Mapping[str, Renderer] = {}
        self._app: PushApp | None = None
        self._is_valid: Callable[[str], Awaitable[bool]] | None = None
        self._news: dict[str, int] = {}
        self._hidden: set[str] = set()
        self._keep_at = 0.0
        self._bell = Wake(clock)
        self._pushes: set[asyncio.Task[None]] = set()
        self.on_first: Callable[[], None] = lambda: None
        """Called when the first viewer comes."""
        snapshot.on_change(self._bell.ring)

    def bind(self, app: PushApp, renderers: Mapping[str, Renderer], is_valid: Callable[[str], Awaitable[bool]] | None = None) -> None:
        """Push through `app`, by the renderer of each page. `is_valid(session)` False: the viewer is dropped and gets nothing."""
        self._app, self._renderers, self._is_valid = app, renderers, is_valid

    def watch(
        self, client_token: str, page: str, params: Mapping[str, Any] | None = None, *, visible: Iterable[int] = (), session: str = ""
    ) -> None:
        """Follow this client's page from now on (one page per client: the last one).

        `visible`, or `params["visible"]`: source ids in view, read first; a page of one source names it as `params["source_id"]`.

        `session` is handed to the session check before each push; give the cookie header or the session's id.
        """
        if client_token not in self._viewers and len(self._viewers) >= VIEWERS_AT_MOST:
            return
        is_first, kept = not self.count, dict(params or {})
        in_view = _ids((*visible, *kept.get("visible", ()), kept.get("source_id")))
        is_hidden = client_token in self._hidden
        self._viewers[client_token] = _Viewer(page, kept, session, self._version(page), is_hidden, visible=in_view)
        self._bell.ring()
        if is_first:
            self.on_first()

    def leave(self, client_token: str) -> None:
        """Stop following this client."""
        self._viewers.pop(client_token, None)

    def show(self, client_token: str, *, is_shown: bool) -> None:
        """Take note that this client's page came in sight, or went out of it; what it missed is sent when it comes back."""
        self._hidden.discard(client_token)
        if not is_shown and len(self._hidden) < VIEWERS_AT_MOST:
            self._hidden.add(client_token)  # also of a page that is not followed yet: opened in a tab behind
        viewer = self._viewers.get(client_token)
        if viewer is None or viewer.is_hidden is not is_shown:
            return
        was_unwatched, viewer.is_hidden = not self.count, not is_shown
        self._bell.ring()
        if is_shown and was_unwatched:
            self.on_first()

    def news(self, page: str) -> None:
        """Push to the open pages of this name, though the snapshot has not changed."""
        self._news[page] = self._news.get(page, 0) + 1
        self._bell.ring()

    @property
    def count(self) -> int:
        """How many pages are looked at."""
        return sum(not viewer.is_hidden for viewer in self._viewers.values())

    def visible(self) -> frozenset[int]:
        """The sources in view of anybody."""
        return frozenset().union(*(viewer.visible for viewer in self._viewers.values() if not viewer.is_hidden))

    async def run(self) -> None:
        """Push changes for ever, at most four times a second to each page; a slow page delays only itself."""
        try:
            while True:
                await self._bell.wait(self._clock.monotonic() + _SWEEP_EVERY_S)
                self._sweep()
                await self._keep_states()
                self._push_changes()
                await self._clock.sleep(PUSH_EVERY_S)
        finally:
            for push in self._pushes:
                push.cancel()

    def _sweep(self) -> None:
        """Drop clients whose socket is gone."""
        if self._app is None or self._app.event_namespace is None:
            return
        connected = self._app.event_namespace.token_to_sid
        for token in [token for token in self._viewers if token not in connected]:
            del self._viewers[token]
        self._hidden &= connected.keys()

    async def _keep_states(self) -> None:
        """Ask for the state of every open page, now and then: one that nobody looks at is pushed to by nobody, and would be dropped."""
        now = self._clock.monotonic()
        if self._app is None or self._app.event_namespace is None or now < self._keep_at:
            return
        self._keep_at = now + _KEEP_EVERY_S
        for token in list(self._app.event_namespace.token_to_sid):
            await self._app.state_manager.get_state(rx.BaseStateToken(ident=token, cls=rx.State))

    def _push_changes(self) -> None:
        """Start a push to every page that has not seen the newest version and is not being pushed to."""
        for token, viewer in list(self._viewers.items()):
            version = self._version(viewer.page)
            is_due = viewer.seen_version != version and not viewer.is_hidden and not viewer.is_pushing
            if is_due and viewer.page in self._renderers:
                viewer.seen_version, viewer.is_pushing = version, True
                push = asyncio.create_task(self._push(token, viewer))
                self._pushes.add(push)
                push.add_done_callback(self._pushes.discard)

    async def _push(self, token: str, viewer: _Viewer) -> None:
        """Let one page take over what changed."""
        try:
            async with asyncio.timeout(_PUSH_LIMIT_S):
                if self._is_valid is not None and not await self._is_valid(viewer.session):
                    self._viewers.pop(token, None)
                    return
                await self._render(token, viewer)
        except TimeoutError:
            _log.warning("a push to a page took longer than %g s", _PUSH_LIMIT_S)
        except Exception:  # noqa: BLE001 - the edge to pages: one page's fault must not end the pushes of the others
            _log.exception("a push to page %s failed", viewer.page)
        finally:
            viewer.is_pushing = False
            if viewer.seen_version != self._version(viewer.page):
                self._bell.ring()

    def _version(self, page: str) -> int:
        """Grows with each change that pages of this name show."""
        return self._snapshot.version + self._news.get(page, 0)

    async def _render(self, token: str, viewer: _Viewer) -> None:
        """Change the page's state under its own lock; what changed is sent when the block ends."""
        if self._app is None or self._viewers.get(token) is not viewer:
            return
        async with self._app.modify_state(rx.BaseStateToken(ident=token, cls=rx.State)) as root:
            rendered = self._renderers[viewer.page](root, viewer.params)
            if inspect.isawaitable(rendered):
                await rendered


def _ids(words: Iterable[object]) -> frozenset[int]:
    """Those that are source ids, as numbers or as digits from an address."""
    return frozenset(int(str(word)) for word in words if str(word).isascii() and str(word).isdigit())

"""Who is watching: hands changes to open pages, a few times a second, and drops who has gone. Pages out of sight get nothing.

All pushes together take no more than their share of the event loop, in small slices: what people ask for goes first, and where very many
pages are open each is pushed to less often. What many pages show alike is looked at once: a page that would show the same costs nothing.

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
from dashboard_app.policy.push_pace import SLICE, rest_s
from dashboard_app.runtime.own_time import OwnTime
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
Look = Callable[[], object]
"""What differs from before when any open page of one name would show something else."""
_UNSEEN = object()
_HURRIED_ROUNDS = 2
"""The round in which something urgent is found, and the next: whoever was pushed to before it was found is then, too."""


@dataclass(slots=True)
class _Viewer:
    """One open page. `session` is what the session check is asked with; it never leaves this process."""

    page: str
    params: dict[str, Any]
    session: str
    seen_version: int
    is_hidden: bool = False
    is_pushing: bool = False
    seen_look: object = _UNSEEN
    visible: frozenset[int] = field(default_factory=frozenset)


class Viewers:
    """The registry. A page calls `watch` from its on_load and again when its filter, sort or page changes."""

    def __init__(self, snapshot: Snapshot, clock: Clock) -> None:
        """Nobody watches."""
        self._snapshot, self._clock = snapshot, clock
        self._viewers: dict[str, _Viewer] = {}
        self._renderers: Mapping[str, Renderer] = {}
        self._looks: Mapping[str, Look] = {}
        self._looked: dict[str, tuple[int, object]] = {}
        self._app: PushApp | None = None
        self._is_valid: Callable[[str], Awaitable[bool]] | None = None
        self._news: dict[str, int] = {}
        self._hidden: set[str] = set()
        self._keep_at = 0.0
        self._bell = Wake(clock)
        self._pushes: set[asyncio.Task[None]] = set()
        self._spent_s = 0.0
        self._hurried_rounds = 0
        self._urgent: tuple[int, object] = (0, None)
        self.urgency: Callable[[], object] = lambda: None
        """What every page must show soon: while it changes, pushes take all the time they need."""
        self.on_first: Callable[[], None] = lambda: None
        """Called when the first viewer comes."""
        snapshot.on_change(self._bell.ring)

    def bind(
        self,
        app: PushApp,
        renderers: Mapping[str, Renderer],
        is_valid: Callable[[str], Awaitable[bool]] | None = None,
        looks: Mapping[str, Look] | None = None,
    ) -> None:
        """Push through `app`, by the renderer of each page. `is_valid(session)` False: the viewer is dropped and gets nothing.

        `looks`: for a page that has none each change of the snapshot counts.
        """
        self._app, self._renderers, self._is_valid, self._looks = app, renderers, is_valid, looks or {}

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
        """Push changes for ever, at most four times a second to each page and within the share of the loop; a slow page delays only itself."""
        try:
            while True:
                await self._bell.wait(self._clock.monotonic() + _SWEEP_EVERY_S)
                self._sweep()
                await self._keep_states()
                await self._push_changes()
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

    async def _push_changes(self) -> None:
        """One round: a push to every page that has not seen the newest version and is not being pushed to; a rest after each slice."""
        in_slice = 0
        for token, viewer in list(self._viewers.items()):
            if not self._is_due(token, viewer):
                continue
            push = asyncio.create_task(self._push(token, viewer))
            self._pushes.add(push)
            push.add_done_callback(self._pushes.discard)
            in_slice += 1
            if in_slice == SLICE:
                in_slice = 0
                await self._rest()
        await self._rest()
        self._hurried_rounds = max(self._hurried_rounds - 1, 0)

    def _is_due(self, token: str, viewer: _Viewer) -> bool:
        """True when this page must be pushed to now; it then counts as up to date."""
        version = self._version(viewer.page)
        is_behind = viewer.seen_version != version and not viewer.is_hidden and not viewer.is_pushing
        if not is_behind or viewer.page not in self._renderers or self._viewers.get(token) is not viewer:
            return False
        viewer.seen_version, before, viewer.seen_look = version, viewer.seen_look, self._look(viewer.page, version)
        viewer.is_pushing = before is _UNSEEN or before != viewer.seen_look
        return viewer.is_pushing

    def _look(self, page: str, version: int) -> object:
        """The look of all pages of this name; the version where they have none. The same object while it says the same."""
        look = self._looks.get(page)
        if look is None:
            return version
        looked_at, found = self._looked.get(page, (None, _UNSEEN))
        if looked_at != version:
            try:
                now = (self._news.get(page, 0), look())
            except Exception:  # noqa: BLE001 - as for a push: one page's fault must not end the pushes of the others
                _log.exception("a look at what page %s shows failed", page)
                now = (version, _UNSEEN)
            found = found if found == now else now
            self._looked[page] = (version, found)
        return found

    async def _rest(self) -> None:
        """Let the loop do what else is due, for as long as the pushes since the last rest cost; hardly at all while something is urgent."""
        if self._urgent[0] != self._snapshot.version:
            before, self._urgent = self._urgent[1], (self._snapshot.version, self.urgency())
            if self._urgent[1] != before:
                self._hurried_rounds = _HURRIED_ROUNDS
        await self._clock.sleep(0)
        spent_s, self._spent_s = self._spent_s, 0.0
        await self._clock.sleep(rest_s(spent_s, hurries=self._hurried_rounds > 0))

    def _note_spent(self, seconds: float) -> None:
        """Pushes were at work for so long."""
        self._spent_s += seconds

    async def _push(self, token: str, viewer: _Viewer) -> None:
        """Let one page take over what changed."""
        try:
            async with asyncio.timeout(_PUSH_LIMIT_S):
                await OwnTime(self._take_over(token, viewer), self._clock.monotonic, self._note_spent)
        except TimeoutError:
            _log.warning("a push to a page took longer than %g s", _PUSH_LIMIT_S)
            viewer.seen_look = _UNSEEN
        except Exception:  # noqa: BLE001 - the edge to pages: one page's fault must not end the pushes of the others
            _log.exception("a push to page %s failed", viewer.page)
            viewer.seen_look = _UNSEEN
        finally:
            viewer.is_pushing = False
            if viewer.seen_version != self._version(viewer.page):
                self._bell.ring()

    async def _take_over(self, token: str, viewer: _Viewer) -> None:
        """Bring the page up to date, unless whoever looks at it is signed out."""
        if self._is_valid is not None and not await self._is_valid(viewer.session):
            self._viewers.pop(token, None)
        else:
            await self._render(token, viewer)

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

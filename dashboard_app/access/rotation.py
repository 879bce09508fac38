"""Gives everything that is stored encrypted to the first key, while the app runs: what it wrote with an older one stays readable throughout."""

from dataclasses import dataclass

from dashboard_app.access.vault import Vault
from dashboard_app.model.errors import Failed
from dashboard_app.store.sealed import SealedStore

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Rotation:
    """What came of it. `unreadable`: table.column and id of what no key opens; it is left as it is."""

    key_id: str
    changed: int
    current: int
    unreadable: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """True when no key but the first is needed any more."""
        return not self.unreadable


async def rotate(vault: Vault, store: SealedStore) -> Rotation:
    """Write anew what an older key wrote. Once more for what was changed meanwhile, by a process whose first key is an older one.

    Raises:
        DatabaseUnavailable: it stopped half-way; a second run does the rest.

    """
    changed = 0
    for _ in range(_ROUNDS):
        fresh, left, current, unreadable = await _pass(vault, store)
        changed += fresh
        if not left:
            break
    return Rotation(vault.key_ids[0], changed, current, tuple(unreadable))


async def _pass(vault: Vault, store: SealedStore) -> tuple[int, int, int, list[str]]:
    """One walk over all of them: how many were written anew, were changed by somebody else meanwhile, and needed nothing; and what no key opens."""
    fresh = left = current = 0
    unreadable: list[str] = []
    for place in store.places():
        after = 0
        while page := await store.page(place, after):
            after = page[-1].id
            for one in page:
                if vault.is_current(one.value):
                    current += 1
                    continue
                try:
                    value = vault.encrypt(vault.decrypt(one.value))
                except Failed:
                    unreadable.append(f"{place} {one.id}")
                    continue
                is_ours = await store.replace(one, value)
                fresh, left = fresh + is_ours, left + (not is_ours)
    return fresh, left, current, unreadable

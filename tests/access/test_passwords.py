import asyncio

import pytest
from argon2 import PasswordHasher

from dashboard_app.access import passwords as passwords_module
from dashboard_app.access.passwords import Passwords, check_new_password
from dashboard_app.model.errors import InvalidInput, RateLimited
from dashboard_app.model.secret import Secret


@pytest.fixture
def passwords():
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    yield passwords
    passwords.close()


async def test_a_password_matches_its_own_hash_only(passwords):
    hashed = await passwords.hash(Secret("correct-horse"))
    assert hashed.reveal().startswith("$argon2id$")
    assert await passwords.matches(hashed, Secret("correct-horse"))
    assert not await passwords.matches(hashed, Secret("wrong-horse"))
    assert not await passwords.matches(None, Secret("nobody has this password"))
    assert not await passwords.matches(Secret("not a hash"), Secret("x"))
    assert not await passwords.matches(hashed, Secret("x" * 2000))


@pytest.mark.parametrize(("length", "is_good"), [(7, False), (8, True), (1024, True), (1025, False)])
def test_a_new_password_has_8_to_1024_characters(length, is_good):
    if is_good:
        check_new_password(Secret(("xq7" * length)[:length]))
    else:
        with pytest.raises(InvalidInput):
            check_new_password(Secret("x" * length))


@pytest.mark.parametrize("common", ["password1", "PassWord1", "iloveyou2", "qwertyuiop"])
async def test_a_common_password_is_refused_and_only_the_settings_may_bring_one(passwords, common):
    with pytest.raises(InvalidInput, match="most common"):
        check_new_password(Secret(common))
    assert await passwords.matches(await passwords.hash(Secret(common), may_be_common=True), Secret(common))
    with pytest.raises(InvalidInput):
        await passwords.hash(Secret("short"), may_be_common=True)


@pytest.mark.parametrize(
    "typed", ["  heron lake  ", "HERON-lake", "heron\tlake\u00e9", "\U0001f40e" * 8, "x7" * 500 + "A", "20261127!?", "héron ✓ lac"]
)
async def test_a_password_counts_exactly_as_it_was_typed(passwords, typed):
    hashed = await passwords.hash(Secret(typed))
    assert await passwords.matches(hashed, Secret(typed))
    for altered in {typed.strip(), typed.swapcase(), typed[:72], typed[:-1], typed + " "} - {typed}:
        assert not await passwords.matches(hashed, Secret(altered)), altered


async def test_only_so_many_hashes_wait(passwords, monkeypatch):
    monkeypatch.setattr(passwords_module, "_MAX_WAITING", 2)
    results = await asyncio.gather(*(passwords.matches(None, Secret("x")) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, RateLimited) for result in results) == 3


async def test_a_hash_made_with_the_default_cost_is_of_the_recommended_kind():
    passwords = Passwords()
    assert "m=65536,t=3,p=4" in (await passwords.hash(Secret("correct-horse"))).reveal()
    passwords.close()

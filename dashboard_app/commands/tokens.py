"""`token …`: API tokens for programs."""

import re
from datetime import datetime
from typing import Annotated

import typer

from dashboard_app.commands.workplace import Workplace, run, table
from dashboard_app.model.user import Role
from dashboard_app.policy.scopes import SCOPES
from dashboard_app.store.tokens import TokenRecord

app = typer.Typer(
    no_args_is_help=True, help="API tokens. Example: token create --name ci --role viewer --expires 90d", rich_markup_mode=None
)

_SCOPES_HELP = f"Narrows the role; may be named several times: {', '.join(SCOPES)}. Without: the whole role."
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def duration_s(text: str) -> float:
    """Seconds of a duration such as 90d, 12h or 30m. Raises typer.BadParameter for anything else."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhdw])", text)
    if found is None:
        raise typer.BadParameter("a duration is a number and a unit: 90d, 12h, 30m")
    return float(found[1]) * _UNITS_S[found[2]]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the token is for.", show_default=False)],
    role: Annotated[Role, typer.Option(help="What it may do: viewer, operator or admin.", show_default=False)],
    expires: Annotated[str, typer.Option(help="How long it is good: 90d, 12h. Without: until it is revoked.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help=_SCOPES_HELP, show_default=False)] = None,
) -> None:
    """Make a token. It is printed this once, alone on the standard output.

    Example: token create --name ci --role viewer --expires 90d --scope read --scope metrics
    """
    expires_in_s = duration_s(expires) if expires else None

    async def work(at: Workplace) -> str:
        return await at.identity.create_token(name, role, expires_in_s, scopes=scope or None)

    typer.echo(run(work))


@app.command("list")
def list_() -> None:
    """List the tokens, without their secrets.

    Example: token list
    """

    async def work(at: Workplace) -> list[tuple[str, ...]]:
        return [_row(token, at.clock.now()) for token in await at.identity.list_tokens()]

    typer.echo(table([("ID", "NAME", "ROLE", "SCOPES", "BEGINS", "STATE", "LAST USED"), *run(work)]))


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="The token's id, or its name when only one good token has it.", show_default=False)],
) -> None:
    """Take a token's power, at once.

    Example: token revoke ci
    """

    async def work(at: Workplace) -> TokenRecord:
        return await at.identity.revoke_token(token)

    record = run(work)
    typer.echo(f"Revoked token {record.id} ({record.name}).")


def _row(token: TokenRecord, now: datetime) -> tuple[str, ...]:
    """One line of the list."""
    if token.revoked_at is not None:
        state = "revoked"
    elif token.is_good(now):
        state = f"until {token.expires_at:%Y-%m-%d}" if token.expires_at else "good"
    else:
        state = "expired"
    scopes = "all" if token.scopes is None else ",".join(sorted(token.scopes))
    used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
    return (str(token.id), token.name, token.role.value, scopes, token.prefix, state, used)

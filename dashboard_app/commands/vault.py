"""`vault …`: the keys that encrypt what is stored."""

import typer

from dashboard_app.access.rotation import Rotation, rotate
from dashboard_app.access.vault import KEY_FILE, Vault, add_key
from dashboard_app.commands.workplace import FAILED, Workplace, run, settings_or_exit
from dashboard_app.model.errors import StartRefused
from dashboard_app.store.sealed import SealedStore

app = typer.Typer(no_args_is_help=True, help="The keys that encrypt what is stored. Example: vault rotate", rich_markup_mode=None)


@app.command("new-key")
def new_key() -> None:
    """Put a new key in front of the generated ones. Restart Spillway, then `vault rotate`. With SECRET_KEY set, put it there yourself.

    Example: vault new-key
    """
    settings = settings_or_exit().values
    if settings.secret_key is not None:
        typer.echo("SPILLWAY_SECRET_KEY is set: write the new key in front of the old one there, with a comma between them.", err=True)
        raise typer.Exit(FAILED)
    try:
        made = add_key(settings.data_dir / KEY_FILE)
    except StartRefused as refused:
        typer.echo(refused.detail, err=True)
        raise typer.Exit(FAILED) from refused
    typer.echo(f"Key {made} is the first now. Restart Spillway, so that it knows it; then run: vault rotate")


@app.command("rotate")
def rotate_() -> None:
    """Encrypt everything that is stored anew with the first key; then the older keys may go. Exit code 1 when something cannot be read.

    Run it beside an app that was started with both keys: it reads what either wrote.

    Example: vault rotate
    """

    async def work(at: Workplace) -> Rotation:
        done = await rotate(Vault(at.settings), SealedStore(at.database))
        await at.noted("vault.rotate", f"key {done.key_id}", changed=done.changed, unreadable=len(done.unreadable))
        return done

    done = run(work)
    typer.echo(f"{done.changed} values were given to key {done.key_id}, {done.current} had it already.")
    for place in done.unreadable:
        typer.echo(f"{place} cannot be read with any key: enter it again", err=True)
    if not done.is_whole:
        raise typer.Exit(FAILED)

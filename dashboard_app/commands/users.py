"""`user …`: local accounts."""

from typing import Annotated

import typer

from dashboard_app.commands.workplace import Workplace, asked_password, run, table
from dashboard_app.model.user import Role, User

app = typer.Typer(no_args_is_help=True, help="Local accounts. Example: user add ada@example.org --role admin", rich_markup_mode=None)

Email = Annotated[str, typer.Argument(help="The account's email.", show_default=False)]
RoleOption = Annotated[Role, typer.Option(help="What the account may do: viewer, operator or admin.")]


@app.command()
def add(email: Email, role: RoleOption = Role.VIEWER, name: Annotated[str, typer.Option(help="The person's name.")] = "") -> None:
    """Add an account. The password is asked for, or read from the standard input.

    Example: user add ada@example.org --role operator
    """
    password = asked_password()

    async def work(at: Workplace) -> User:
        return await at.identity.create_user(email, password, role, name=name)

    user = run(work)
    typer.echo(f"Added {user.email} as {user.role.value}.")


@app.command("list")
def list_() -> None:
    """List the accounts.

    Example: user list
    """

    async def work(at: Workplace) -> list[User]:
        return await at.identity.list_users()

    rows = [(user.email, user.role.value, "disabled" if user.disabled else "active", f"{user.created_at:%Y-%m-%d}") for user in run(work)]
    typer.echo(table([("EMAIL", "ROLE", "STATE", "SINCE"), *rows]))


@app.command()
def disable(email: Email, undo: Annotated[bool, typer.Option("--undo", help="Let the account in again.")] = False) -> None:
    """Lock an account out: its sessions end at once. With --undo let it in again.

    Example: user disable ada@example.org
    """

    async def work(at: Workplace) -> User:
        return await at.identity.disable(email, disabled=not undo)

    user = run(work)
    typer.echo(f"{user.email} is {'disabled' if user.disabled else 'active'}.")


@app.command("set-role")
def set_role(email: Email, role: Annotated[Role, typer.Argument(help="viewer, operator or admin.", show_default=False)]) -> None:
    """Change what an account may do.

    Example: user set-role ada@example.org admin
    """

    async def work(at: Workplace) -> User:
        return await at.identity.set_role(email, role)

    user = run(work)
    typer.echo(f"{user.email} is {user.role.value} now.")


@app.command("reset-password")
def reset_password(email: Email) -> None:
    """Set a new password, asked for or read from the standard input. The account's sessions end.

    Example: user reset-password ada@example.org
    """
    password = asked_password("New password")

    async def work(at: Workplace) -> User:
        return await at.identity.reset_password(email, password)

    typer.echo(f"{run(work).email} has a new password.")


@app.command("reset-second-factor")
def reset_second_factor(email: Email) -> None:
    """Let somebody in with the password alone who lost both authenticator app and recovery codes.

    Example: user reset-second-factor ada@example.org
    """

    async def work(at: Workplace) -> User:
        return await at.identity.reset_second_factor(email)

    typer.echo(f"{run(work).email} signs in with the password alone.")

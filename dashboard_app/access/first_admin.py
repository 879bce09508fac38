"""The first admin: by the settings, or by a link that works once."""

from dashboard_app.access.identity import Identity
from dashboard_app.model.secret import Secret
from dashboard_app.settings import Settings


async def first_admin(identity: Identity, settings: Settings) -> None:
    """Make the first admin from the settings, or print the one-time link while there is no user. Raises DatabaseUnavailable."""
    email, password = settings.admin_email, settings.admin_password
    if email is not None and password is not None:
        await identity.ensure_admin(email, Secret(password.get_secret_value()))
        return
    link = await identity.first_run_link(settings.base_url)
    if link is not None:
        print(f"\n  First start: open this link within 30 minutes and choose your password\n  {link}\n", flush=True)  # noqa: T201 - a person waits for this line; the log redacts tokens

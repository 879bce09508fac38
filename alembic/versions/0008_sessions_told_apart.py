"""What tells a person's sessions apart, and when each last proved who it is."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE sessions ADD COLUMN user_agent text NOT NULL DEFAULT '', ADD COLUMN proved_at timestamptz NOT NULL DEFAULT now()"
    )
    op.execute("UPDATE sessions SET proved_at = created_at")
    op.execute("ALTER TABLE users ADD COLUMN last_sign_in_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE users DROP COLUMN last_sign_in_at")
    op.execute("ALTER TABLE sessions DROP COLUMN proved_at, DROP COLUMN user_agent")

"""What people change while the app runs."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE setting_overrides (
            name text PRIMARY KEY,
            value jsonb NOT NULL,
            changed_by text NOT NULL,
            changed_at timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE setting_overrides")

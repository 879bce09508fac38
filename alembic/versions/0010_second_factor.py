"""A second factor: the key of an authenticator app, and recovery codes."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN totp_encrypted bytea, ADD COLUMN totp_step bigint NOT NULL DEFAULT 0")
    op.execute(
        """
        CREATE TABLE recovery_codes (
            user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            code_hash varchar(64) NOT NULL,
            used_at timestamptz,
            PRIMARY KEY (user_id, code_hash)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recovery_codes")
    op.execute("ALTER TABLE users DROP COLUMN totp_step, DROP COLUMN totp_encrypted")

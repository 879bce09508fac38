"""API tokens may be narrowed to scopes; accounts may be tied to a person at an identity provider."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE api_tokens ADD COLUMN scopes text[]")
    op.execute(
        """
        CREATE TABLE user_identities (
            issuer text NOT NULL,
            subject text NOT NULL,
            user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (issuer, subject)
        )
        """
    )
    op.execute("CREATE INDEX user_identities_user_id_idx ON user_identities (user_id)")


def downgrade() -> None:
    op.execute("DROP TABLE user_identities")
    op.execute("ALTER TABLE api_tokens DROP COLUMN scopes")

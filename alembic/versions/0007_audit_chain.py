"""The audit is a chain: the database itself numbers and hashes each row, and takes no row back."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE audit ADD COLUMN hash bytea",
    # What a hash covers. `access/audit_chain.py` reads the same array and hashes it outside the database.
    """
    CREATE FUNCTION audit_hash(previous bytea, entry audit) RETURNS bytea LANGUAGE sql STABLE AS $$
        SELECT sha256(previous || convert_to(jsonb_build_array(
            entry.id, entry.uuid, (extract(epoch FROM entry.at) * 1000000)::bigint, entry.actor, entry.actor_kind,
            entry.action, entry.target, entry.result, entry.request_id, entry.details
        )::text, 'UTF8'))
    $$
    """,
    """
    DO $$
    DECLARE
        entry audit;
        previous bytea := '';
    BEGIN
        FOR entry IN SELECT * FROM audit ORDER BY id LOOP
            previous := audit_hash(previous, entry);
            UPDATE audit SET hash = previous WHERE id = entry.id;
        END LOOP;
    END $$
    """,
    "ALTER TABLE audit ALTER COLUMN hash SET NOT NULL",
    # A writer that stands still in the middle of its transaction lets go of the lock after 5 s.
    # The number is the advisory lock under which one transaction at a time adds to the chain: "Spilaudt" in ASCII.
    """
    CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        last record;
    BEGIN
        PERFORM set_config('idle_in_transaction_session_timeout', '5000', true);
        PERFORM pg_advisory_xact_lock(6012421416752079988);
        SELECT id, hash INTO last FROM audit ORDER BY id DESC LIMIT 1;
        NEW.id := coalesce(last.id, 0) + 1;
        NEW.hash := audit_hash(coalesce(last.hash, ''), NEW);
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER audit_chain BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_chain()",
    """
    CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit only grows: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_append_only ON audit")
    op.execute("DROP TRIGGER audit_chain ON audit")
    for function in ("audit_append_only()", "audit_chain()", "audit_hash(bytea, audit)"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("ALTER TABLE audit DROP COLUMN hash")
    op.execute("SELECT setval(pg_get_serial_sequence('audit', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM audit), false)")

"""experiments belong to the key that made them; idempotency keys are an owner's

Revision: 0003, after 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("experiments", sa.Column("owner", sa.String(length=64), nullable=True))
    op.add_column("experiments", sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_experiments_owner", "experiments", ["owner"], unique=False)
    op.add_column(
        "idempotency_keys", sa.Column("owner", sa.String(length=64), nullable=False, server_default="")
    )
    _set_primary_key("owner", "key")


def downgrade() -> None:
    # Of what two owners called the same, one is kept: no key of the older schema tells them apart.
    op.execute(
        "DELETE FROM idempotency_keys WHERE EXISTS (SELECT 1 FROM idempotency_keys AS other "
        "WHERE other.key = idempotency_keys.key AND other.owner < idempotency_keys.owner)"
    )
    _set_primary_key("key")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_column("owner")
    op.drop_index("ix_experiments_owner", "experiments")
    for column in ("shared", "owner"):  # not in a batch: SQLite's new table would cost the old one's children
        op.drop_column("experiments", column)


def _set_primary_key(*columns: str) -> None:
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_constraint("pk_idempotency_keys", type_="primary")
        batch_op.create_primary_key("pk_idempotency_keys", list(columns))

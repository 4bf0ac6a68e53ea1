"""counters that only grow

Revision: 0007, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", "lane", name="pk_counters"),
    )
    _of_0004_upgrade()


def downgrade() -> None:
    _of_0004_downgrade()
    op.drop_table("counters")


# The branch `previews` adds these in its revision 0004: whoever merges removes from here on.


def _of_0004_upgrade() -> None:
    op.add_column("experiments", sa.Column("queued_at", sa.Double(), nullable=True))
    op.execute("UPDATE experiments SET queued_at = created_at")
    op.add_column(
        "workers", sa.Column("memory_bytes", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("workers", sa.Column("device_memory_bytes", sa.BigInteger(), nullable=True))


def _of_0004_downgrade() -> None:
    for column in ("device_memory_bytes", "memory_bytes"):
        op.drop_column("workers", column)
    op.drop_column("experiments", "queued_at")

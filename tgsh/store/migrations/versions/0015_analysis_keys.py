"""idempotency keys of placements

Revision: 0015, after 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "analysis_keys",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("analysis_id", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analyses.id"], name="fk_analysis_keys_analysis_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_analysis_keys"),
    )
    op.create_index("ix_analysis_keys_analysis_id", "analysis_keys", ["analysis_id"], unique=False)


def downgrade() -> None:
    op.drop_table("analysis_keys")

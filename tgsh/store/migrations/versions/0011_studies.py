"""studies and their members

Revision: 0011, after 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("project", sa.String(length=64), nullable=True),
        sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("replicates", sa.JSON(), nullable=False),
        sa.Column("grid", sa.JSON(), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
    )
    op.create_index("ix_studies_newest", "studies", ["created_at", "id"], unique=False)
    op.create_index("ix_studies_owner", "studies", ["owner"], unique=False)
    op.create_table(
        "study_members",
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("cell", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("base_seed", sa.BigInteger(), nullable=False),
        sa.Column("experiment_id", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_study_members_study_id", ondelete="CASCADE"
        ),
        # An experiment that is deleted leaves its place in the study empty.
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiments.id"],
            name="fk_study_members_experiment_id",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("study_id", "cell", "seed", "base_seed", name="pk_study_members"),
    )
    op.create_index("ix_study_members_experiment_id", "study_members", ["experiment_id"], unique=False)
    op.create_table(
        "study_keys",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("study_id", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_study_keys_study_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_study_keys"),
    )
    op.create_index("ix_study_keys_study_id", "study_keys", ["study_id"], unique=False)


def downgrade() -> None:
    for table in ("study_keys", "study_members", "studies"):
        op.drop_table(table)

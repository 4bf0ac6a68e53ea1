"""domains of uploaded datasets; what their owners say of them

Revision: 0010, after 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("domains", sa.JSON(), nullable=True))
    op.add_column("datasets", sa.Column("domain_labels", sa.String(), nullable=True))
    op.add_column("datasets", sa.Column("domain_labels_sha256", sa.String(length=64), nullable=True))
    for name in ("notes", "citation", "licence"):
        op.add_column("dataset_holders", sa.Column(name, sa.String(), nullable=True))
    op.add_column("dataset_holders", sa.Column("report", sa.JSON(), nullable=True))


def downgrade() -> None:
    for name in ("report", "licence", "citation", "notes"):
        op.drop_column("dataset_holders", name)
    for name in ("domain_labels_sha256", "domain_labels", "domains"):
        op.drop_column("datasets", name)

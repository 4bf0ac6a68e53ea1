"""sets of tags of experiments, for filters and groups of 100,000; their studies from an index alone

Revision: 0020, after 0018
"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None

CHUNK = 500

TAGGED = (
    "tag_set_id suite dataset configuration_id created_at id status project owner shared seed base_seed "
    "mean_accuracy mean_balanced started_at finished_at tasks_total name"
)


def upgrade() -> None:
    op.create_table(
        "tag_sets",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", "tag", name="pk_tag_sets"),
    )
    op.create_index("ix_tag_sets_tag", "tag_sets", ["tag", "id"], unique=False)
    op.add_column("experiments", sa.Column("tag_set_id", sa.BigInteger(), nullable=True))
    _fill(op.get_bind())
    op.create_index("ix_experiments_tagged", "experiments", TAGGED.split(), unique=False)
    op.drop_index("ix_study_members_experiment_id", table_name="study_members")
    op.create_index(
        "ix_study_members_experiment_id_study_id",
        "study_members",
        ["experiment_id", "study_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_study_members_experiment_id_study_id", table_name="study_members")
    op.create_index("ix_study_members_experiment_id", "study_members", ["experiment_id"], unique=False)
    op.drop_index("ix_experiments_tagged", table_name="experiments")
    op.drop_column("experiments", "tag_set_id")
    op.drop_table("tag_sets")


def _fill(connection: sa.Connection) -> None:
    """Give every experiment the set of its tags; the same number as tgsh.store.tag_sets has of it."""
    experiments = sa.table("experiments", sa.column("id"), sa.column("tag_set_id", sa.BigInteger()))
    tagged = sa.table("experiment_tags", sa.column("experiment_id"), sa.column("tag"))
    sets = sa.table("tag_sets", sa.column("id", sa.BigInteger()), sa.column("tag"))
    known: set[int] = set()
    last = ""
    while True:
        query = sa.select(experiments.c.id).where(experiments.c.id > last)
        ids = list(connection.scalars(query.order_by(experiments.c.id).limit(CHUNK)))
        if not ids:
            return
        last = ids[-1]
        tags: dict[str, list[str]] = {id: [] for id in ids}
        for id, tag in connection.execute(sa.select(tagged).where(tagged.c.experiment_id.in_(ids))):
            tags[id].append(tag)
        values, new = [], []
        for id, own in tags.items():
            canonical = json.dumps(sorted(own), separators=(",", ":"))
            number = int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:8], "big") >> 1
            values.append({"of": id, "to": number})
            if number not in known:
                known.add(number)
                new += [{"id": number, "tag": tag} for tag in own]
        if new:
            connection.execute(sa.insert(sets), new)
        connection.execute(
            sa.update(experiments)
            .where(experiments.c.id == sa.bindparam("of"))
            .values(tag_set_id=sa.bindparam("to")),
            values,
        )

"""Records, their lifecycle and the stored arrays. Knows no science.

database.py   connections and transactions; SQLite (WAL) or PostgreSQL
migrations/   the schema, by Alembic
clock.py      the one clock: the database's
records.py    the tables
ownership.py  whose an experiment is, who sees it, what its owner may take
experiments.py  what a user changes: submit, cancel, resume, delete
claims.py     what a worker changes: claim, renew, record an epoch, complete, fail, give back
settling.py   what follows when a task ends
sweeping.py   what nobody else does: expired leases, hints that got lost
renewal.py    the thread that keeps a lease while training runs
reads.py      what pages and clients read
artifacts.py  arrays under a folder or URL, whole or not at all
repair.py     damaged files: found, and computed again
patience.py   a database or disk that is away for a while
tidying.py    files that no row names
backup.py     a copy of everything while everything runs
datasets.py   what users upload: who holds it, what uses it
results.py    what the finish has put together
vectors.py    the context vectors of an experiment at one stage
"""

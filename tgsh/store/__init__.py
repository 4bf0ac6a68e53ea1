"""The database and the artifacts: everything that outlives a process. Knows no science, no web, no queue.

database.py     engine and transactions; SQLite (WAL) or PostgreSQL; retry of transient errors
models.py       ORM models, locks of their rows, the database's clock
migrations/     the schema's history, by Alembic
artifacts.py    arrays under a folder or URL, content-checked

experiments.py  submission, cancelling, resuming, deletion
lifecycle.py    status transitions, event log, counters
ownership.py    owners, sharing, quotas
datasets.py     uploaded datasets

scheduling.py   the order in which jobs are served; the number of job messages
jobs.py         leases of jobs, and the fenced writes of workers
previews.py     the same for preview jobs
analyses.py     the same for placements and accuracy matrices
leases.py       renewal and expiry of leases; heartbeats of workers

queries.py      experiments, tasks and events: filters, sort orders, pages, facets
results.py      context vectors, measured results, provenance
statistics.py   queue, throughput, totals
maintenance.py  damaged, orphaned and reusable results
removals.py     files that are to be removed, until they are
backup.py       online backup and restore
"""

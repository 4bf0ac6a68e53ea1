"""Celery workers: a pool of children, each bound to one device, that run the jobs of the database."""

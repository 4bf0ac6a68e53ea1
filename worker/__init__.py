"""The Celery side: a pool of children, each bound to one device, that do what the database says."""

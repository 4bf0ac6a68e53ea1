"""One machine: starts and supervises Redis, the API and the workers as processes.

By command, never by import: what runs here is what docker-compose starts. See stack.py.
"""

"""Images, docker-compose.yml and systemd units in their real homes: `python -m tests.containers`."""

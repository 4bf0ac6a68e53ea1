"""What Prometheus is told: the API's own requests, and everything else as the database has it."""

"""What `./run` does: set up, demo, test, bench, lint, lock. Never part of a deployment."""

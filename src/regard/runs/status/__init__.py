"""The state of a run in status.json: content, heartbeat, outcome, and the supervised work."""

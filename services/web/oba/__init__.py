"""What does a OneBusAway client get? The OneBusAway REST API, version 2, under /api/where."""

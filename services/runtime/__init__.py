"""What does every process need: settings, clock, database, retries, heartbeat, logging?

Imports nothing else of services.
"""

"""How do vehicle positions of other systems reach the broker?

Imports only ingest and services.runtime.
"""

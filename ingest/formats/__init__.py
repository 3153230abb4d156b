"""The wire formats `ingest.decode` understands, one module each."""

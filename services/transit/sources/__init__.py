"""Where do positions of other systems come from? Imports only ingest and services.runtime."""

"""The OneBusAway REST API (version 2) under /api/where, so that the apps riders already have work against Vigía."""

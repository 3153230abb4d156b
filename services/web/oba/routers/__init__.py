"""The OneBusAway endpoints, one module a noun."""

"""Which OneBusAway endpoints are there? One module a noun."""

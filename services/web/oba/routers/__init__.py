"""Which OneBusAway endpoints are there? One module a noun. Imports services.web.oba and its elements."""

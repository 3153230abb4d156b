"""Which API routes does public transport have? Stops, arrivals, vehicles, service alerts, feeds, text messages.

Imports services.transit, services.queries.transit and services.web.
"""

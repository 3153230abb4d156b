"""How do the apps that riders already have read Vigía? The OneBusAway REST API, version 2, under /api/where.

Imports services.transit, services.queries and services.web.context. `routers` import `elements`, never the reverse.
"""

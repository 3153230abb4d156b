"""Which pages does a rider with a cheap telephone read? Small, without JavaScript, also for paper and old televisions.

Imports services.transit, services.queries and services.web.
"""

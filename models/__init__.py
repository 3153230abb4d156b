"""What do the other packages share? Readings, sensor kinds, rules, alerts, places, tables and migrations.

Imports no other package of this repository.
"""

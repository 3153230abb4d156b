"""What are the elements of a OneBusAway answer, and how are they built?

Imports services.transit.serving and what stands below it.
"""

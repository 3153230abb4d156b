"""Which types do all rooms of transit share? Imports only models.

Reports in, predictions and service alerts out, and searches over a network: journeys by time, stops by place or name.
"""

"""Where is this vehicle, and which trip does it make? Imports services.transit.model and models.

`matcher` is the entry: it updates one vehicle's state (`vehicle_state`) with each report.
"""

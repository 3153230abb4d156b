"""Where is this vehicle, and which trip does it make? Imports services.transit.model."""

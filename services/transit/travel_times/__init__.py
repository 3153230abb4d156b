"""How long does each link take, now and usually? Imports services.transit.model and models."""

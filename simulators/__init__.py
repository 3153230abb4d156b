"""A seeded city that speaks only the wire: rain, streams, traffic, devices and their faults."""

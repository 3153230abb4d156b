"""What must hold of the repository itself: floors, clock, one reader of MQTT, dependencies, docs."""

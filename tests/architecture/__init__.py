"""Checks of the repository itself: rooms, clock, MQTT, dependencies, documentation."""

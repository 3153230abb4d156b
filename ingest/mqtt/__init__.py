"""How do messages arrive from the broker? An MQTT subscriber of our own. Imports only models."""

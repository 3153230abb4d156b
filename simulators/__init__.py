"""How does a simulated city behave, and which MQTT messages does it send? Seeded. Imports only models."""

"""How do an embedded PostgreSQL and MQTT broker run on one machine? Imports nothing of Vigía."""

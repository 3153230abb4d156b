"""What speaks against believing a reading, and what was lost between readings? Imports only models."""

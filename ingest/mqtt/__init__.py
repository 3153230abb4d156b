"""How do messages arrive from the broker? Imports only models."""

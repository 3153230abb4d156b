"""How do live screens learn of a change? Imports only models."""

"""How does a notice leave, and how do live screens hear of a change? Imports only models."""

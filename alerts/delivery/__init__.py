"""How is a notice delivered, and how do live screens learn of a change? Imports only models."""

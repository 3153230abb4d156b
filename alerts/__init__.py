"""When is a person told, and why? Rules, forecasts, the alert engine and delivery. Imports only models."""

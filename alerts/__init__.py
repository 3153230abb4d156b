"""From readings to a person: rules, forecasts, the alert engine, delivery and verification."""

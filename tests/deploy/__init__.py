"""The production shape, exercised as far as it goes without Docker."""

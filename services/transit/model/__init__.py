"""Which types do all rooms of transit share? Imports only models."""

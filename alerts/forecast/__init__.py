"""What will the level be in the coming hours, and how likely is a threshold exceeded? Imports only models."""

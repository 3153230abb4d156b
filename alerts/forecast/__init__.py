"""What will the level be in the coming hours, and how likely does it reach a threshold? Imports only models."""

"""Where are the buses, and when do they come? Ten rooms, in the order that pyproject.toml gives."""

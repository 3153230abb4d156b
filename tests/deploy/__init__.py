"""The deployment, tested as far as possible without Docker."""

"""How do bytes from the wire become rows? Receives, decodes, checks and stores. Imports only models."""

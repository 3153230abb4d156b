"""What does a GTFS Schedule feed say? Reads a feed into models.network and writes it back. Imports only models."""

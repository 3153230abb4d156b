"""What would Vigía have said of a recorded series? Imports ingest, alerts and models."""

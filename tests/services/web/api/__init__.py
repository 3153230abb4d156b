"""The API on a real server and a real database."""

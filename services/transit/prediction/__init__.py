"""When does a vehicle arrive at its stops, and how sure is that? Imports matching, travel_times and model."""

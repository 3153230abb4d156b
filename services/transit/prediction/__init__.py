"""When does a vehicle arrive at its stops, and how sure is that? Imports travel_times and model of services.transit."""

"""What is planned? Stores and loads timetable versions. Imports services.transit.model."""

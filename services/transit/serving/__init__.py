"""What is true now, for every client?

Imports model, timetable and travel_times; reads the fleet only through the tables.
"""

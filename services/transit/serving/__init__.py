"""What is known now, for every client?

Imports services.transit.model, timetable and travel_times. Reads the fleet's predictions through the tables only.
"""

"""What is scheduled? Stores and loads timetable versions, and finds scheduled calls.

Imports services.transit.model.
"""

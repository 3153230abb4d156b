"""What follows from a position report? A report in, table rows out: the whole chain for many vehicles.

Imports matching, travel_times, prediction, timetable and model.
"""

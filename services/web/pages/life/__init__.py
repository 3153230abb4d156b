"""By which forms do people change the life of an alert or an incident, besides acknowledging and closing it?"""

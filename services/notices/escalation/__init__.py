"""Who is called next for an incident that nobody acknowledges, and when?"""

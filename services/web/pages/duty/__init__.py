"""How do people see who is on duty, take, swap and hand over the watch, and telephone those who must be called?"""

"""How does a supervisor declare a level, and how do people see it beside the proposed one?"""

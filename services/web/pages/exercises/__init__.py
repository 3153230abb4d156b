"""How do people see and run an exercise without taking it for a real event?"""

"""What did a person declare, and what was ordered under it?"""

from models.tables.declared import actuators, declarations, exercises

__all__ = ["actuators", "declarations", "exercises"]

"""What did a person declare, and what was ordered under it?"""

from models.tables.declared import declarations, exercises

__all__ = ["declarations", "exercises"]

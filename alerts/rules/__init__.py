"""Does this reading, or the passing of time, change the colour that a rule holds?

One module for each judgement of `models.rule`: the state it keeps of its subject, and what changes it. Imports
alerts.forecast and models.
"""

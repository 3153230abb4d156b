"""When does a reading, or time alone, change the colour of a subject? One module per judgement type of `models.rule`.

Each module holds the state of its judgement and the pure functions on it; `dispatch` selects the module of a rule.
Imports only models and alerts.forecast.
"""

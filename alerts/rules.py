"""Which judgement looks at a reading, and which at the clock. Pure: the same stories give the same transitions.

Each judgement stands in its own module with the state it keeps; here is only the road to it.
"""

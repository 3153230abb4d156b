"""Which level did a person declare for an area, and how does it differ from the level that Vigía proposes?"""

"""One module for each judgement of `models.rule`: the state it keeps of its subject, and what moves it."""

"""How does an alert live between its rule and the people who answer it: shown, asking, shelved, flapping, over?"""

"""How does a person sign in, look after their own account, and who administers the accounts?"""

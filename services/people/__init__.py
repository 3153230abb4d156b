"""Who may do what in Vigía, and how do they prove who they are?"""

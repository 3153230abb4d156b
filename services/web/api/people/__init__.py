"""What do people tell Vigía of themselves: when they are on duty, where they are told, what they answer?"""

"""How is the record chained, and how does anyone prove later that no entry was altered, removed, moved or cut off?"""

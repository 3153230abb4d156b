"""What happened and who did it: the record for auditors, and the shift logbook for operators?"""

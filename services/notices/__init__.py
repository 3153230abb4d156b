"""How does a queued notice reach its recipient, without a slow or hostile recipient delaying any other?"""

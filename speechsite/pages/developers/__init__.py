"""The Developers screen: keys, webhooks, examples and a request to try.

One module per tab. What they show once, they show in the answer to the form that
made it, and never again.
"""

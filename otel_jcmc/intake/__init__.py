"""
A push on its way to the store: who sent it, may they, how often, what is kept.

A report and the headers it came with go in; a write goes out to `store`, with browser and system
named and personal values treated. It knows no status codes: it raises, and `web` answers.
"""

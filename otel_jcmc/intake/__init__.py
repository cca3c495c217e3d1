"""
Brings a push to the store: finds its sender, checks permission and limits, applies privacy.

A report and its headers come in. A write goes out to `store`, with the names of browser and system,
and with personal values dropped, hashed or truncated as the privacy policy says. This package
knows no HTTP status codes: it raises exceptions, and `web` answers.
"""

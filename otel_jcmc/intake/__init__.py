"""
A push on its way to the store: its sender, permission, limits, privacy.

A report and its headers come in. A write goes out to `store`, with browser and system named and
personal values treated. This room knows no status codes: it raises, and `web` answers.
"""

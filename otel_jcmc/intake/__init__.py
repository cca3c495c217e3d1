"""
Brings a push to the store: finds its sender, checks permission and limits, applies privacy.

A report and the headers of its request come in. A write goes out to `store`. It contains the names
of browser and operating system. Personal values are dropped, hashed or truncated as the privacy
policy demands. This package knows no HTTP status codes: it raises exceptions, and `web` answers.
"""

"""
Brings a push to the store: finds its sender, checks permission and limits, applies privacy.

A report and the headers of its request come in. A write goes out to `store`. This package adds the
names of browser and operating system to the write, and drops, hashes or truncates personal values
as the privacy policy demands. This package knows no HTTP status codes: it raises exceptions, and
`web` answers.
"""

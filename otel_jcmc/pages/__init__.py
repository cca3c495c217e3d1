"""
Makes web pages for people: the participants with a bad call now, and how past calls were.

A browser's request comes in. Out goes a page that works without scripts, or an event that makes an
open page load again. Pages read the snapshot, the journal and history; they write nothing.
Clients that do not ask for HTML get the answers of `web` on the same paths.
"""

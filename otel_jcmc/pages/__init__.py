"""
Makes web pages for people: the participants with a bad call now, and how past calls were.

The input is a browser's request. The output is a page that works without scripts, or an event that
makes an open page update. Pages read the snapshot, the journal (what stood out) and history; they
write nothing. Clients that do not ask for HTML get the answers of `web` on the same paths.
"""

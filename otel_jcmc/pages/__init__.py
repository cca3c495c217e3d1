"""
What people look at: who has a bad call now, and how it was.

In comes a browser's request, out goes a page that is whole without any script, or the word that a
page is out of date. Pages read what everybody reads: the snapshot, the journal, history. Nothing
here writes, and machines that ask the same paths get the answers of `web`.
"""

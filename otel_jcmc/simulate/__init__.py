"""
People who are not there: conferences of made-up participants who push as browsers do.

A number of people and the address of a service come in; pushes go out by HTTP as from any browser.
It shares no code with the service that it pushes to.
"""

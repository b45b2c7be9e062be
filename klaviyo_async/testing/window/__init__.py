"""The fake's browser window: pages for a developer's browser that show what the application sent, and let faults be switched on.

Served by `FakeKlaviyo(window=True)` and ``klaviyo-async fake``, on loopback only. `server.py` is the way of a request, `pages.py` gathers
what a page shows, `actions.py` does what its buttons say, `guard.py` keeps other web pages out, `secrets.py` keeps keys off the screen.
"""

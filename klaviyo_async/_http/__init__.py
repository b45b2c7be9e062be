"""A request → a response: the session, its attempts, and aiohttp."""

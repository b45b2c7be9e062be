"""Rows → Klaviyo: what the methods of `klaviyo.bulk` that take rows are made of."""

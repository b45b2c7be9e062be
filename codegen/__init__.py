"""From Klaviyo's documents to the generated parts of `klaviyo_async`; see `docs/regenerating.md` and `docs/codegen.md`."""

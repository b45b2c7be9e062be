"""Documents → specs: read from somewhere, checked, relieved of their prose once its facts are taken, split and written.

`fetch`/`importer` → `download` or `sources` (on `trees`) → `checks` → `splitting` with `prose` (`filters`, `phrases`) →
`writing` (with `manifest`).
"""

"""The configuration: its keys, where their values come from, and the credentials that go with them."""

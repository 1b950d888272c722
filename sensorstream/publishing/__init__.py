"""Staged files become the lake: the lease, the swap of the manifest, patches, compaction."""

"""A bundle opened and checked: its manifest, its files, its sessions."""

"""Log lines to patterns: header, skeleton, mask, groups, identity. Pure; knows no clock and no store."""

"""MA-Crafter: an open world with a technology tree in which progress needs teammates."""

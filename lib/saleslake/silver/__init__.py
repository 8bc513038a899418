"""Silver: typed, one row a key; decides by the record alone."""

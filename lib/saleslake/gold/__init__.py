"""Gold: the star schema and its metrics; decides whatever depends on another table."""

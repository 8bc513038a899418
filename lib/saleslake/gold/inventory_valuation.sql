-- Grain in: dim_product (sku), silver.stock (product), product_revenue (date, sku, currency). Grain out: sku.
-- A count stands for the end of its day, so what was sold on later days has gone since.
WITH counts AS (
  SELECT product_id AS sku, on_hand, counted_at, day_of(counted_at) AS counted_on FROM stock WHERE product_id <> '(unknown)'
), sold AS (
  SELECT r.sku, SUM(r.units) AS units
  FROM product_revenue AS r
  JOIN counts AS c ON r.sku = c.sku
  WHERE r.date > c.counted_on
  GROUP BY r.sku
), products_and_counts AS (
  SELECT COALESCE(p.sku, c.sku) AS sku, p.category, p.price_currency, p.price, c.on_hand, c.counted_at
  FROM (SELECT sku, category, price_currency, price FROM dim_product WHERE sku <> '(unknown)') AS p
  FULL JOIN counts AS c ON p.sku = c.sku
), remaining AS (
  SELECT b.sku, b.category, b.price_currency, b.price, b.on_hand, b.counted_at,
         CAST(COALESCE(s.units, 0) AS DECIMAL(38, 3)) AS units_sold_since,
         CAST(b.on_hand - COALESCE(s.units, 0) AS DECIMAL(38, 3)) AS units_left
  FROM products_and_counts AS b
  LEFT JOIN sold AS s ON b.sku = s.sku
), valued AS (
  SELECT sku, category, price_currency, price, on_hand, counted_at, units_sold_since, units_left,
         product_total(units_left, price) AS stock_value
  FROM remaining
)
SELECT sku, category, price_currency AS currency, on_hand, counted_at, units_sold_since, units_left, price AS base_price, stock_value,
       CASE WHEN on_hand IS NULL THEN 'no_count' WHEN stock_value IS NULL THEN 'no_price' ELSE 'valued' END AS status
FROM valued

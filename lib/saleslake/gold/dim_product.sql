-- Grain in: catalogue (sku), product_revenue (date, sku, currency). Grain out: sku, and the unknown product.
WITH known AS (
  SELECT sku, name, category, manufacturer, price, price_currency FROM catalogue WHERE sku <> '(unknown)'
), seen AS (
  SELECT DISTINCT sku FROM product_revenue WHERE sku <> '(unknown)'
)
SELECT sku, name, category, manufacturer, CAST(price AS DECIMAL(18, 4)) AS price, price_currency, FALSE AS is_inferred FROM known
UNION ALL
SELECT sku, NULL, NULL, NULL, NULL, NULL, TRUE FROM seen ANTI JOIN known USING (sku)
UNION ALL
SELECT '(unknown)', NULL, NULL, NULL, NULL, NULL, TRUE

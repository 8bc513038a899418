-- Grain in: silver.products (sku, source), trust (field, source). Grain out: sku.
-- Each field comes from the source of least rank that has it; an empty text is none while another source has one. Where no source
-- of a rank has it: the greatest. The currency belongs to the price, so it comes from where the price comes from, NULL as well:
-- DuckDB's MIN_BY would pass over NULL, so it stands as an empty text meanwhile.
WITH ranks AS (
  SELECT source,
         MIN(rank) FILTER (WHERE field = 'name') AS of_name,
         MIN(rank) FILTER (WHERE field = 'category') AS of_category,
         MIN(rank) FILTER (WHERE field = 'manufacturer') AS of_manufacturer,
         MIN(rank) FILTER (WHERE field = 'price') AS of_price
  FROM trust
  GROUP BY source
)
SELECT p.sku,
       COALESCE(MIN_BY(p.name, r.of_name) FILTER (WHERE p.name <> '' AND r.of_name IS NOT NULL), MAX(p.name)) AS name,
       COALESCE(
         MIN_BY(p.category, r.of_category) FILTER (WHERE p.category <> '' AND r.of_category IS NOT NULL), MAX(p.category)
       ) AS category,
       COALESCE(
         MIN_BY(p.manufacturer, r.of_manufacturer) FILTER (WHERE p.manufacturer <> '' AND r.of_manufacturer IS NOT NULL),
         MAX(p.manufacturer)
       ) AS manufacturer,
       CAST(
         COALESCE(MIN_BY(p.price, r.of_price) FILTER (WHERE p.price IS NOT NULL AND r.of_price IS NOT NULL), MAX(p.price))
         AS DECIMAL(18, 4)
       ) AS price,
       NULLIF(
         MIN_BY(COALESCE(p.currency, ''), r.of_price) FILTER (WHERE p.price IS NOT NULL AND r.of_price IS NOT NULL), ''
       ) AS price_currency
FROM products AS p
LEFT JOIN ranks AS r ON p.source = r.source
GROUP BY p.sku

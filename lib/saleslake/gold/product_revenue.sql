-- Grain in: fact_sales (line). Grain out: (date, sku, currency).
SELECT sku, currency,
       CAST(COALESCE(SUM(line_amount) FILTER (WHERE NOT is_return), 0) AS DECIMAL(38, 4)) AS gross,
       CAST(COALESCE(SUM(line_amount) FILTER (WHERE is_return), 0) AS DECIMAL(38, 4)) AS returns,
       CAST(COALESCE(SUM(line_amount), 0) AS DECIMAL(38, 4)) AS net,
       CAST(SUM(quantity) AS DECIMAL(38, 3)) AS units,
       COUNT(*) FILTER (WHERE line_amount IS NULL) AS unpriced_lines,
       date
FROM fact_sales
GROUP BY date, sku, currency

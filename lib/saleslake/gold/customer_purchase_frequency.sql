-- Grain in: fact_sales (line). Grain out: customer. 86400000000: µs of a day; 2592000000000: of thirty.
WITH of_purchase AS (
  SELECT user_id, source_system, purchase_id, MIN(created_at) AS first_at, MAX(created_at) AS last_at
  FROM fact_sales
  WHERE user_id <> '(unknown)' AND NOT is_refund
  GROUP BY user_id, source_system, purchase_id
), of_customer AS (
  SELECT user_id, COUNT(*) AS orders, MIN(first_at) AS first_purchase_at, MAX(last_at) AS last_purchase_at
  FROM of_purchase
  GROUP BY user_id
), spans AS (
  SELECT user_id, orders, first_purchase_at, last_purchase_at, micros(last_purchase_at) - micros(first_purchase_at) AS span
  FROM of_customer
)
SELECT user_id, orders, first_purchase_at, last_purchase_at,
       ratio(span, CAST(orders - 1 AS DECIMAL(20, 0)) * 86400000000) AS mean_days_between,
       ratio(CAST(orders AS DECIMAL(20, 0)) * 2592000000000, GREATEST(span, 86400000000)) AS orders_per_30_days,
       orders > 1 AS is_repeat_buyer
FROM spans

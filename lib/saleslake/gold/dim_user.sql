-- Grain in: silver.users (user), fact_sales (line), dim_order (order). Grain out: user, and the unknown one.
WITH known AS (
  SELECT user_id, email, created_at, country FROM users WHERE user_id <> '(unknown)'
), seen AS (
  SELECT user_id FROM fact_sales WHERE user_id <> '(unknown)'
  UNION
  SELECT user_id FROM dim_order WHERE user_id <> '(unknown)'
)
SELECT user_id, email, created_at, country, FALSE AS is_inferred FROM known
UNION ALL
SELECT user_id, NULL, NULL, NULL, TRUE FROM seen ANTI JOIN known USING (user_id)
UNION ALL
SELECT '(unknown)', NULL, NULL, NULL, TRUE

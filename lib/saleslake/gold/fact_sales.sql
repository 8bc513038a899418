-- Grain in: order_lines (line), transactions (transaction), catalogue (sku), pricing (one row). Grain out: line.
-- base_price: of the catalogue, where it is in the line's currency or in none that is known. Lines that say what they were sold for do not
-- look it up: NULL equals no sku.
WITH lines AS (
  SELECT 'orders' AS source_system, l.order_id, l.line_number, '' AS line_file, l.order_id AS purchase_id,
         COALESCE(l.user_id, '(unknown)') AS user_id, l.sku, l.quantity, l.given_price, l.given_amount, l.channel, l.currency,
         l.refunded_at IS NOT NULL AS is_refund, COALESCE(l.refunded_at, l.created_at) AS created_at,
         COALESCE(day_of(l.refunded_at), l.date) AS date, l.record_id,
         CASE WHEN c.price_currency IS NULL OR c.price_currency = l.currency THEN c.price END AS base_price,
         'catalogue_price' AS flag_of_base, 'price_missing' AS flag_without, CAST(0 AS DECIMAL(18, 4)) AS price_without
  FROM order_lines AS l
  LEFT JOIN (
    SELECT sku, price, price_currency FROM catalogue CROSS JOIN pricing WHERE missing_item_price = 'catalogue'
  ) AS c ON c.sku = CASE WHEN l.given_amount IS NULL THEN l.sku END
  UNION ALL
  SELECT 'transactions' AS source_system,
         CASE WHEN t.keyed_by_line THEN t.transaction_id ELSE t.transaction_key END AS order_id,
         CAST(CASE WHEN t.keyed_by_line THEN t.ordinal ELSE 1 END AS INT) AS line_number,
         CASE WHEN t.keyed_by_line THEN t.file ELSE '' END AS line_file,
         COALESCE(t.order_id, t.transaction_id) AS purchase_id,
         COALESCE(t.customer_id, '(unknown)') AS user_id, COALESCE(t.product_id, '(unknown)') AS sku, t.quantity,
         t.unit_price AS given_price, t.amount AS given_amount, t.channel, t.currency, FALSE AS is_refund,
         t.sale_date AS created_at, t.date, t.record_id,
         CASE WHEN c.price_currency IS NULL OR c.price_currency = t.currency THEN c.price END AS base_price,
         'base_price' AS flag_of_base, 'unpriced' AS flag_without, CAST(NULL AS DECIMAL(18, 4)) AS price_without
  FROM transactions AS t
  LEFT JOIN catalogue AS c ON c.sku = CASE WHEN t.amount IS NULL THEN COALESCE(t.product_id, '(unknown)') END
  WHERE t.is_sale
), valued AS (
  SELECT source_system, order_id, line_number, line_file, purchase_id, user_id, sku, quantity, given_price, given_amount, channel,
         currency, is_refund, created_at, date, record_id, base_price, flag_of_base, flag_without, price_without,
         CASE WHEN given_amount IS NULL THEN product(quantity, base_price) END AS amount_at_base
  FROM lines
), priced AS (
  SELECT source_system, order_id, line_number, line_file, purchase_id, user_id, sku, quantity, channel, currency, is_refund,
         created_at, date, record_id,
         COALESCE(
           given_price,
           CASE WHEN given_amount IS NOT NULL THEN per_unit(given_amount, quantity)
                WHEN amount_at_base IS NOT NULL THEN base_price
                ELSE price_without END
         ) AS unit_price,
         COALESCE(given_amount, amount_at_base, price_without) AS line_amount,
         CASE WHEN given_amount IS NOT NULL THEN no_tags()
              WHEN amount_at_base IS NOT NULL THEN tags(flag_of_base)
              ELSE tags(flag_without) END AS flags
  FROM valued
)
SELECT source_system, order_id, line_number, line_file, purchase_id, user_id, sku, quantity,
       CAST(unit_price AS DECIMAL(18, 4)) AS unit_price, CAST(line_amount AS DECIMAL(18, 4)) AS line_amount, channel, currency,
       quantity <= 0 OR COALESCE(unit_price < 0, FALSE) OR COALESCE(line_amount < 0, FALSE) AS is_return,
       is_refund, flags, created_at, date, record_id
FROM priced

-- Grain in: silver.orders. Grain out: order.
SELECT order_id, COALESCE(user_id, '(unknown)') AS user_id, amount, currency, order_source AS source, promo, created_at, status,
       is_sale, warnings, date
FROM orders

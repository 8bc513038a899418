-- Grain in: fact_sales (line). Grain out: (date, channel, currency). A day on which something was only paid back has a row without orders.
WITH of_purchase AS (
  SELECT date, channel, currency, source_system, purchase_id, user_id,
         SUM(quantity) AS units,
         SUM(line_amount) AS net,
         SUM(line_amount) FILTER (WHERE is_refund) AS refunded,
         BOOL_OR(NOT is_refund) AS is_purchase
  FROM fact_sales
  GROUP BY date, channel, currency, source_system, purchase_id, user_id
), of_channel AS (
  SELECT date, channel, currency,
         COUNT(DISTINCT CASE WHEN is_purchase THEN (source_system, purchase_id) END) AS orders,
         COUNT(DISTINCT CASE WHEN is_purchase AND user_id <> '(unknown)' THEN user_id END) AS customers,
         CAST(SUM(units) AS DECIMAL(38, 3)) AS units,
         CAST(COALESCE(SUM(net), 0) AS DECIMAL(38, 4)) AS net,
         CAST(COALESCE(SUM(refunded), 0) AS DECIMAL(38, 4)) AS refunded
  FROM of_purchase
  GROUP BY date, channel, currency
)
SELECT channel, currency, orders, customers, units, net, refunded, ratio(net - refunded, orders) AS average_order_value, date
FROM of_channel

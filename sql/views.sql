-- Views of gold, in the SQL that DuckDB (`saleslake sql`), PostgreSQL and Redshift share. One statement each, ended by a semicolon.

-- Lines of orders: one row an order and line number; those of refunds (is_refund) on the day on which they were paid back.
create view gold.order_items as
select order_id, line_number, user_id, sku, quantity as qty, unit_price as price, line_amount as amount, currency, created_at, date, is_refund
from gold.fact_sales
where source_system = 'orders';

-- Orders per product: one row an order and sku, repeated lines of a sku added up, refunds taken off; dated by the order.
create view gold.fact_order as
select order_id, sku, min(user_id) as user_id, sum(quantity) as qty, sum(line_amount) as amount,
       cast(sum(line_amount) / nullif(sum(quantity), 0) as decimal(18, 4)) as price,
       min(currency) as currency,
       coalesce(min(case when not is_refund then created_at end), min(created_at)) as created_at,
       coalesce(min(case when not is_refund then date end), min(date)) as date
from gold.fact_sales
where source_system = 'orders'
group by order_id, sku;

-- Revenue per product over all days: one row a sku and currency.
create view gold.product_revenue_total as
select r.sku, min(p.name) as name, min(p.category) as category, r.currency,
       sum(r.gross) as gross, sum(r.returns) as returns, sum(r.net) as net, sum(r.units) as units,
       sum(r.unpriced_lines) as unpriced_lines
from gold.product_revenue r left join gold.dim_product p on p.sku = r.sku
group by r.sku, r.currency;

-- Channels over all days: one row a channel and currency. Customers are counted anew: the days' counts overlap. A refund is no purchase.
create view gold.channel_performance_total as
select channel, currency,
       count(distinct case when not is_refund then source_system || ' ' || purchase_id end) as orders,
       count(distinct case when not is_refund and user_id <> '(unknown)' then user_id end) as customers,
       sum(quantity) as units,
       sum(coalesce(line_amount, 0)) as net,
       sum(case when is_refund then coalesce(line_amount, 0) else 0 end) as refunded,
       cast(sum(case when is_refund then 0 else coalesce(line_amount, 0) end)
            / nullif(count(distinct case when not is_refund then source_system || ' ' || purchase_id end), 0) as decimal(18, 4)) as average_order_value
from gold.fact_sales
group by channel, currency;

-- Stock value per category and currency; skus that could not be valued are counted, not valued.
create view gold.inventory_by_category as
select category, currency, count(*) as skus,
       count(case when status = 'valued' then 1 end) as valued_skus,
       count(case when status = 'no_count' then 1 end) as skus_without_count,
       count(case when status = 'no_price' then 1 end) as skus_without_price,
       sum(case when status = 'valued' then units_left end) as units_left,
       sum(stock_value) as stock_value
from gold.inventory_valuation
group by category, currency;

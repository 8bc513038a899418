-- Views over the Delta tables, as `saleslake sql` offers them. One statement each, ended by a semicolon.

-- Lines of orders: one row an order and line number.
create view gold.order_items as
select order_id, line_number, user_id, sku, quantity as qty, unit_price as price, line_amount as amount, currency, created_at, date
from gold.fact_sales
where source_system = 'orders';

-- Orders per product: one row an order and sku, repeated lines of a sku added up.
create view gold.fact_order as
select order_id, sku, any_value(user_id) as user_id, sum(quantity) as qty, sum(line_amount) as amount,
       cast(sum(line_amount) / nullif(sum(quantity), 0) as decimal(18, 4)) as price,
       any_value(currency) as currency, any_value(created_at) as created_at, any_value(date) as date
from gold.fact_sales
where source_system = 'orders'
group by order_id, sku;

-- Revenue per product over all days: one row a sku and currency.
create view gold.product_revenue_total as
select sku, any_value(name) as name, any_value(category) as category, currency,
       sum(gross) as gross, sum(returns) as returns, sum(net) as net, sum(units) as units, sum(unpriced_lines) as unpriced_lines
from gold.product_revenue left join gold.dim_product using (sku)
group by sku, currency;

-- Channels over all days: one row a channel and currency. Customers are counted anew: the days' counts overlap.
create view gold.channel_performance_total as
select channel, currency,
       count(distinct (source_system, order_id)) as orders,
       count(distinct user_id) filter (user_id <> '(unknown)') as customers,
       sum(quantity) as units,
       sum(coalesce(line_amount, 0)) as net,
       cast(sum(coalesce(line_amount, 0)) / count(distinct (source_system, order_id)) as decimal(18, 4)) as average_order_value
from gold.fact_sales
group by channel, currency;

-- Stock value per category and currency; skus that could not be valued are counted, not valued.
create view gold.inventory_by_category as
select category, currency, count(*) as skus,
       count(*) filter (status = 'valued') as valued_skus,
       count(*) filter (status = 'no_count') as skus_without_count,
       count(*) filter (status = 'no_price') as skus_without_price,
       sum(units_left) filter (status = 'valued') as units_left,
       sum(stock_value) as stock_value
from gold.inventory_valuation
group by category, currency;

-- Where each quarantined record stands. resolved: the row stored for its key is a later version, in the full order that
-- decides which version wins; else open, and has_older_version says whether an older good version is applied meanwhile.
create view silver.quarantine_status as
with stored as (
    select 'orders' as entity, order_id as key, source, version_time, landed_at, file, ordinal from silver.orders
    union all select 'transactions', transaction_key, source, version_time, landed_at, file, ordinal from silver.transactions
    union all select 'users', user_id, source, version_time, landed_at, file, ordinal from silver.users
    union all select 'products', sku, source, version_time, landed_at, file, ordinal from silver.products
    union all select 'stock', product_id, source, version_time, landed_at, file, ordinal from silver.stock
),
compared as (
    select q.*, s.key is not null as has_stored,
           coalesce((coalesce(s.version_time, '-infinity'), s.landed_at, s.file, s.ordinal)
                  > (coalesce(q.version_time, '-infinity'), q.first_seen, q.file, q.ordinal), false) and s.key is not null as overtaken
    from silver.quarantine q
    left join stored s on s.entity = q.entity and s.key = q.key and (q.entity <> 'products' or s.source = q.source)
)
select record_id, entity, source, key, reasons, details, first_seen,
       case when overtaken then 'resolved' else 'open' end as status,
       has_stored and not overtaken as has_older_version
from compared;

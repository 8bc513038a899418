-- Questions that analysts ask, in the SQL that DuckDB (`saleslake sql`), PostgreSQL and Redshift share. Money is per currency; here it is EUR.
-- Each is headed by its name; README, "Serving", says how to ask one.

-- top_users: who bought most?
select f.user_id, u.country, round(sum(f.unit_price * f.quantity), 2) as sales
from gold.fact_sales f join gold.dim_user u on u.user_id = f.user_id
where f.currency = 'EUR' and f.user_id <> '(unknown)'
group by f.user_id, u.country
order by sales desc, f.user_id
limit 5;

-- products_by_units: what sells most, counted in units, returns taken off?
select f.sku, p.name, sum(f.quantity) as units
from gold.fact_sales f join gold.dim_product p on p.sku = f.sku
where f.sku <> '(unknown)'
group by f.sku, p.name
order by units desc, f.sku
limit 5;

-- countries: where do buyers live?
select coalesce(u.country, '(unknown)') as country, round(sum(f.unit_price * f.quantity), 2) as sales, count(distinct f.user_id) as buyers
from gold.fact_sales f join gold.dim_user u on u.user_id = f.user_id
where f.currency = 'EUR'
group by coalesce(u.country, '(unknown)')
order by sales desc, country
limit 5;

-- channels: through which channels?
select f.channel, round(sum(f.unit_price * f.quantity), 2) as sales, count(distinct f.source_system || ' ' || f.order_id) as orders
from gold.fact_sales f
where f.currency = 'EUR'
group by f.channel
order by sales desc, f.channel;

-- sources: which sources do orders come from, and are promotions among them?
select o.source, round(sum(f.unit_price * f.quantity), 2) as sales, count(distinct o.order_id) as orders,
       count(distinct case when o.promo is not null then o.order_id end) as with_promo
from gold.fact_sales f join gold.dim_order o on o.order_id = f.order_id and f.source_system = 'orders'
where f.currency = 'EUR'
group by o.source
order by sales desc, o.source;

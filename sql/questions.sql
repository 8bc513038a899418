-- Questions that analysts ask, in the SQL that DuckDB (`saleslake sql`), PostgreSQL and Redshift share. Money is line_amount, returns taken off, in each currency by itself; a refund is no purchase.
-- Each is headed by its name; README, "Serving", says how to ask one.

-- top_users: who bought most, the first five of each currency?
select currency, user_id, country, sales
from (
    select currency, user_id, country, sales, row_number() over (partition by currency order by sales desc, user_id) as place
    from (
        select f.currency, f.user_id, u.country, round(sum(coalesce(f.line_amount, 0)), 2) as sales
        from gold.fact_sales f join gold.dim_user u on u.user_id = f.user_id
        where f.user_id <> '(unknown)'
        group by f.currency, f.user_id, u.country
    ) of_users
) placed
where place <= 5
order by currency, sales desc, user_id;

-- products_by_units: what sells most, counted in units, returns taken off?
select f.sku, p.name, sum(f.quantity) as units
from gold.fact_sales f join gold.dim_product p on p.sku = f.sku
where f.sku <> '(unknown)'
group by f.sku, p.name
order by units desc, f.sku
limit 5;

-- countries: where do buyers live, the first five of each currency?
select currency, country, sales, buyers
from (
    select currency, country, sales, buyers, row_number() over (partition by currency order by sales desc, country) as place
    from (
        select f.currency, coalesce(u.country, '(unknown)') as country, round(sum(coalesce(f.line_amount, 0)), 2) as sales,
               count(distinct case when not f.is_refund and f.user_id <> '(unknown)' then f.user_id end) as buyers
        from gold.fact_sales f join gold.dim_user u on u.user_id = f.user_id
        group by f.currency, coalesce(u.country, '(unknown)')
    ) of_countries
) placed
where place <= 5
order by currency, sales desc, country;

-- channels: through which channels?
select f.currency, f.channel, round(sum(coalesce(f.line_amount, 0)), 2) as sales,
       count(distinct case when not f.is_refund then f.source_system || ' ' || f.purchase_id end) as orders
from gold.fact_sales f
group by f.currency, f.channel
order by f.currency, sales desc, f.channel;

-- sources: which sources do orders come from, and are promotions among them?
select f.currency, o.source, round(sum(coalesce(f.line_amount, 0)), 2) as sales,
       count(distinct case when not f.is_refund then o.order_id end) as orders,
       count(distinct case when not f.is_refund and o.promo is not null then o.order_id end) as with_promo
from gold.fact_sales f join gold.dim_order o on o.order_id = f.order_id and f.source_system = 'orders'
group by f.currency, o.source
order by f.currency, sales desc, o.source;

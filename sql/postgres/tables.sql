-- The tables of gold for PostgreSQL, made from the table modules: `python -m saleslake.serve.ddl` writes this file anew.
create schema if not exists gold;

create table if not exists gold.dim_user (
    user_id text not null,
    email text,
    created_at timestamptz,
    country text,
    is_inferred boolean not null,
    primary key (user_id)
);
comment on table gold.dim_user is 'one row a user: registered, or seen only in facts; and the unknown user';
comment on column gold.dim_user.user_id is 'key; (unknown) is the member that sales without a customer refer to';
comment on column gold.dim_user.email is 'as given';
comment on column gold.dim_user.created_at is 'when the account was made, UTC';
comment on column gold.dim_user.country is 'as given';
comment on column gold.dim_user.is_inferred is 'no users file knows it; the row holds what facts tell';

create table if not exists gold.dim_product (
    sku text not null,
    name text,
    category text,
    manufacturer text,
    price numeric(18, 4),
    price_currency text,
    is_inferred boolean not null,
    primary key (sku)
);
comment on table gold.dim_product is 'one row a sku: catalogued, or seen only in facts; and the unknown product';
comment on column gold.dim_product.sku is 'key; (unknown) is the member that lines without a product refer to';
comment on column gold.dim_product.name is 'verbatim';
comment on column gold.dim_product.category is 'as given';
comment on column gold.dim_product.manufacturer is 'as given';
comment on column gold.dim_product.price is 'base price of one unit, in price_currency';
comment on column gold.dim_product.price_currency is 'ISO 4217; NULL: the source does not say';
comment on column gold.dim_product.is_inferred is 'no catalogue knows it; the row holds what facts tell';

create table if not exists gold.dim_date (
    date date not null,
    year integer not null,
    quarter integer not null,
    month integer not null,
    day integer not null,
    iso_week integer not null,
    weekday integer not null,
    month_name text not null,
    is_weekend boolean not null,
    primary key (date)
);
comment on table gold.dim_date is 'one row a day that an order or a fact refers to';
comment on column gold.dim_date.date is 'key';
comment on column gold.dim_date.year is 'calendar year';
comment on column gold.dim_date.quarter is '1 to 4';
comment on column gold.dim_date.month is '1 to 12';
comment on column gold.dim_date.day is 'day of the month';
comment on column gold.dim_date.iso_week is 'ISO 8601 week';
comment on column gold.dim_date.weekday is '1 Monday to 7 Sunday';
comment on column gold.dim_date.month_name is '2024-01';
comment on column gold.dim_date.is_weekend is 'Saturday or Sunday';

create table if not exists gold.fact_sales (
    source_system text not null,
    order_id text not null,
    line_number integer not null,
    line_file text not null,
    purchase_id text not null,
    user_id text not null,
    sku text not null,
    quantity numeric(18, 3) not null,
    unit_price numeric(18, 4),
    line_amount numeric(18, 4),
    channel text not null,
    currency text not null,
    is_return boolean not null,
    is_refund boolean not null,
    flags text[] not null,
    created_at timestamptz not null,
    date date not null,
    record_id text not null,
    primary key (source_system, order_id, line_number, line_file)
);
comment on table gold.fact_sales is 'one row a line of an order, or a sales transaction';
comment on column gold.fact_sales.source_system is 'orders or transactions';
comment on column gold.fact_sales.order_id is 'order, or transaction: its key, or its id where the source is keyed by line';
comment on column gold.fact_sales.line_number is 'line of the order; 1 for a transaction; line of the file where a source is keyed by line';
comment on column gold.fact_sales.line_file is 'file of a source keyed by line, whose order ids may repeat over files; else empty';
comment on column gold.fact_sales.purchase_id is 'what was bought at once: the order, or a transaction''s order where that is known';
comment on column gold.fact_sales.user_id is 'dim_user';
comment on column gold.fact_sales.sku is 'dim_product';
comment on column gold.fact_sales.quantity is 'units; negative where returned';
comment on column gold.fact_sales.unit_price is 'price of one unit, in currency, or line_amount / quantity; NULL: unpriced';
comment on column gold.fact_sales.line_amount is 'revenue of the line, in currency; NULL: unpriced, out of revenue';
comment on column gold.fact_sales.channel is 'sales channel';
comment on column gold.fact_sales.currency is 'ISO 4217';
comment on column gold.fact_sales.is_return is 'quantity <= 0, or a price or total < 0: out of gross, in net';
comment on column gold.fact_sales.is_refund is 'a return that a refund of the order tells, dated by the refund: no purchase';
comment on column gold.fact_sales.flags is 'price_missing, catalogue_price, base_price, unpriced; sorted';
comment on column gold.fact_sales.created_at is 'when it was sold, or paid back where it is a refund, UTC';
comment on column gold.fact_sales.date is 'date of created_at, UTC; dim_date';
comment on column gold.fact_sales.record_id is 'bronze record it comes from';
create index if not exists fact_sales_user_id on gold.fact_sales (user_id);
create index if not exists fact_sales_sku on gold.fact_sales (sku);
create index if not exists fact_sales_date on gold.fact_sales (date);

create table if not exists gold.dim_order (
    order_id text not null,
    user_id text not null,
    amount numeric(18, 4),
    currency text not null,
    source text,
    promo text,
    created_at timestamptz not null,
    status text,
    is_sale boolean not null,
    warnings text[] not null,
    date date not null,
    primary key (order_id)
);
comment on table gold.dim_order is 'one row an order of the orders sources';
comment on column gold.dim_order.order_id is 'key';
comment on column gold.dim_order.user_id is 'dim_user';
comment on column gold.dim_order.amount is 'total the source gives, in currency; not a measure of lines: never sum it over fact_sales';
comment on column gold.dim_order.currency is 'ISO 4217';
comment on column gold.dim_order.source is 'metadata.source as given';
comment on column gold.dim_order.promo is 'metadata.promo as given';
comment on column gold.dim_order.created_at is 'when it was placed, UTC';
comment on column gold.dim_order.status is 'as given, where the source maps one';
comment on column gold.dim_order.is_sale is 'whether its lines are in fact_sales';
comment on column gold.dim_order.warnings is 'rules it broke and was kept, e.g. amount_mismatch';
comment on column gold.dim_order.date is 'date of created_at, UTC; dim_date';
create index if not exists dim_order_user_id on gold.dim_order (user_id);
create index if not exists dim_order_date on gold.dim_order (date);

create table if not exists gold.product_revenue (
    sku text not null,
    currency text not null,
    gross numeric(38, 4) not null,
    returns numeric(38, 4) not null,
    net numeric(38, 4) not null,
    units numeric(38, 3) not null,
    unpriced_lines bigint not null,
    date date not null,
    primary key (date, sku, currency)
);
comment on table gold.product_revenue is 'one row a date, sku and currency';
comment on column gold.product_revenue.sku is 'dim_product';
comment on column gold.product_revenue.currency is 'ISO 4217';
comment on column gold.product_revenue.gross is 'sum of line_amount of lines that are no returns, in currency';
comment on column gold.product_revenue.returns is 'sum of line_amount of returns (usually negative), in currency';
comment on column gold.product_revenue.net is 'gross + returns, in currency';
comment on column gold.product_revenue.units is 'sum of quantity, returns included';
comment on column gold.product_revenue.unpriced_lines is 'lines without a price, out of revenue';
comment on column gold.product_revenue.date is 'dim_date';
create index if not exists product_revenue_sku on gold.product_revenue (sku);

create table if not exists gold.channel_performance (
    channel text not null,
    currency text not null,
    orders bigint not null,
    customers bigint not null,
    units numeric(38, 3) not null,
    net numeric(38, 4) not null,
    refunded numeric(38, 4) not null,
    average_order_value numeric(18, 4),
    date date not null,
    primary key (date, channel, currency)
);
comment on table gold.channel_performance is 'one row a date, channel and currency';
comment on column gold.channel_performance.channel is 'sales channel';
comment on column gold.channel_performance.currency is 'ISO 4217';
comment on column gold.channel_performance.orders is 'distinct purchases; a refund is none';
comment on column gold.channel_performance.customers is 'distinct customers who bought, the unknown one left out';
comment on column gold.channel_performance.units is 'sum of quantity, returns included';
comment on column gold.channel_performance.net is 'sum of line_amount, returns included, in currency';
comment on column gold.channel_performance.refunded is 'the refunds in net, in currency: below zero';
comment on column gold.channel_performance.average_order_value is '(net - refunded) / orders, half-up, in currency; NULL: no orders';
comment on column gold.channel_performance.date is 'dim_date';

create table if not exists gold.customer_purchase_frequency (
    user_id text not null,
    orders bigint not null,
    first_purchase_at timestamptz not null,
    last_purchase_at timestamptz not null,
    mean_days_between numeric(18, 4),
    orders_per_30_days numeric(18, 4) not null,
    is_repeat_buyer boolean not null,
    primary key (user_id)
);
comment on table gold.customer_purchase_frequency is 'one row a customer with at least one sale, over all currencies';
comment on column gold.customer_purchase_frequency.user_id is 'dim_user; sales without a customer are left out';
comment on column gold.customer_purchase_frequency.orders is 'distinct purchases; a refund is none';
comment on column gold.customer_purchase_frequency.first_purchase_at is 'earliest sale, UTC';
comment on column gold.customer_purchase_frequency.last_purchase_at is 'latest sale, UTC';
comment on column gold.customer_purchase_frequency.mean_days_between is '(last - first) / (orders - 1), in days; NULL for one order';
comment on column gold.customer_purchase_frequency.orders_per_30_days is 'orders / max(1 day, last - first) × 30';
comment on column gold.customer_purchase_frequency.is_repeat_buyer is 'more than one order';

create table if not exists gold.inventory_valuation (
    sku text not null,
    category text,
    currency text,
    on_hand numeric(18, 3),
    counted_at timestamptz,
    units_sold_since numeric(38, 3) not null,
    units_left numeric(38, 3),
    base_price numeric(18, 4),
    stock_value numeric(38, 4),
    status text not null,
    primary key (sku)
);
comment on table gold.inventory_valuation is 'one row a sku, but for the unknown product';
comment on column gold.inventory_valuation.sku is 'dim_product';
comment on column gold.inventory_valuation.category is 'category of the product';
comment on column gold.inventory_valuation.currency is 'currency of the base price; NULL: the source does not say';
comment on column gold.inventory_valuation.on_hand is 'units at the latest count; NULL: never counted';
comment on column gold.inventory_valuation.counted_at is 'when they were counted, UTC; the count stands for the end of that day';
comment on column gold.inventory_valuation.units_sold_since is 'units sold, less returns, on later days';
comment on column gold.inventory_valuation.units_left is 'on_hand - units_sold_since; NULL: never counted';
comment on column gold.inventory_valuation.base_price is 'dim_product.price';
comment on column gold.inventory_valuation.stock_value is 'units_left × base_price, half-up; NULL where status says why';
comment on column gold.inventory_valuation.status is 'valued, no_count or no_price';

create table if not exists gold.sales_by_minute (
    minute timestamptz not null,
    channel text not null,
    currency text not null,
    events bigint not null,
    units numeric(38, 3) not null,
    net numeric(38, 4) not null,
    late_events bigint not null,
    date date not null,
    primary key (minute, channel, currency)
);
comment on table gold.sales_by_minute is 'one row a minute, channel and currency of the stream''s events';
comment on column gold.sales_by_minute.minute is 'start of the minute, UTC';
comment on column gold.sales_by_minute.channel is 'sales channel';
comment on column gold.sales_by_minute.currency is 'ISO 4217';
comment on column gold.sales_by_minute.events is 'events of this minute that came in time, duplicates included';
comment on column gold.sales_by_minute.units is 'sum of their quantities, returns included';
comment on column gold.sales_by_minute.net is 'sum of what they say they sold for, without refunds, in currency';
comment on column gold.sales_by_minute.late_events is 'events that came too late for their own minute, while the stream stood at this one; in no sum here';
comment on column gold.sales_by_minute.date is 'date of minute, UTC';
create index if not exists sales_by_minute_date on gold.sales_by_minute (date);

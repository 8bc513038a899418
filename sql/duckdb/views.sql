-- Views over silver's Delta tables, as `saleslake sql` offers them beside those of ../views.sql. One statement each, ended by a semicolon.

-- Where each quarantined record stands. discarded: a rule of severity discard closed it from the start. resolved: the row stored for its key is a later version, in the full order that
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
select record_id, entity, source, key, reasons, details, discarded_by, first_seen,
       case when coalesce(len(discarded_by), 0) > 0 then 'discarded' when overtaken then 'resolved' else 'open' end as status,
       has_stored and not overtaken as has_older_version
from compared;

-- Grain in: fact_sales (line), dim_order (order). Grain out: day. Days without a sale are left out: one order dated 9999 must not make
-- 3 million rows.
SELECT date,
       CAST(year(date) AS INT) AS year,
       CAST(quarter(date) AS INT) AS quarter,
       CAST(month(date) AS INT) AS month,
       CAST(day(date) AS INT) AS day,
       iso_week(date) AS iso_week,
       iso_weekday(date) AS weekday,
       year_month(date) AS month_name,
       iso_weekday(date) >= 6 AS is_weekend
FROM (SELECT date FROM fact_sales UNION SELECT date FROM dim_order)

create table account (name text primary key, amount integer check (amount >= 0));
insert into account values ('one', 10), ('two', 0);
begin;
update account set amount = amount - 4 where name = 'one';
update account set amount = amount + 4 where name = 'two';
commit;
begin;
update account set amount = 99;
rollback;
select string_agg(name || '=' || amount, ' ' order by name) from account;
-- Parallel workers, which share memory.
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
create table many as select number from generate_series(1, 100000) number;
analyze many;
select sum(number) from many;

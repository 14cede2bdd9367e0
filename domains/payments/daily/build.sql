select cast(paid_at as date) as day, channel, count(*) as payments, sum(amount) as amount_eur, sum(is_fraud) as frauds
from payments.transactions
group by 1, 2

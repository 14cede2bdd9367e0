select transaction_id, paid_at, customer_id, channel, amount, hour(paid_at) as hour, is_fraud
from source

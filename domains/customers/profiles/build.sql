select customer_id, changed_at, lower(email) as email, segment, credit_limit
from source

select observed_at, weekday(observed_at) as weekday, period, nswdemand, vicprice, vicdemand, transfer, class as price_up
from source

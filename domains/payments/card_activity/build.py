"""What a customer had done in the seven days before each payment."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from mesh_catalog import build

DAYS = 7


@build(reads=["payments.transactions"])
def card_activity(transactions: DataFrame) -> DataFrame:
    """One row per payment: count and sum (euro) of the customer's payments of the seven days before it.

    Payments of the same second are left out with the payment itself, so nothing of its own moment is in its features.
    """
    seconds = F.unix_timestamp("paid_at")
    before = Window.partitionBy("customer_id").orderBy(seconds).rangeBetween(-DAYS * 86_400, -1)
    return transactions.select(
        "transaction_id",
        "customer_id",
        "paid_at",
        F.count("transaction_id").over(before).alias("payments_7d"),
        F.coalesce(F.sum("amount").over(before), F.lit(0.0)).alias("spend_7d"),
    )

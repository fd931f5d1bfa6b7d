"""What can be spent: wallets, the ledger, prices."""

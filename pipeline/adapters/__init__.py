"""The trained parts that stand between a frozen text encoder and a frozen U-Net, and the folders they are kept in."""

"""What the service offers: fields, endpoints and catalogs."""

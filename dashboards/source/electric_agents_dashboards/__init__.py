"""The Grafana dashboards as typed Python; `output.files()` gives all that is made of them."""

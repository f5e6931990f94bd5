"""Opens dashboards in a headless browser, drawn by Grafana's own front-end packages.

Nothing of the product needs this: it is for pictures, and for tests in the browser.
"""

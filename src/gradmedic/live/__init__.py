"""A run in a browser while it goes on: a process of its own follows the recording and serves its page.

The server is the standard library's: the page needs three answers and no framework, an extra process
takes 21 MB with it and 50 MB with Starlette and uvicorn, and nothing more has to be installed on a cluster.
"""

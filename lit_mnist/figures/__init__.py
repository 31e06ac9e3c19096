"""Figures of records, one function a picture; nothing else imports matplotlib, and nothing imports
pyplot.
"""

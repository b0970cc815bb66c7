"""ana/noise"""

"""ana/schedules"""

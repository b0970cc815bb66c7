"""Tables of trials whose truth is known, for the tests of the analysis and for its calibration."""

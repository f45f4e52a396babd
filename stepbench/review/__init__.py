"""The quality policy: which clips may be used, which are turned down, and which a person must look at."""

"""`gateway runs`: the runs of chains and graphs, listed, shown, watched and cancelled over HTTP."""

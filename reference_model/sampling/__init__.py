"""From a prompt to a clip: flow-matching schedule, guidance, sampler, and the pipeline that joins the models."""

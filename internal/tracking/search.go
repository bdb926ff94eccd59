package tracking

// pageMax is the most runs of a page, MLflow's limit.
const pageMax = 50_000

// hydrateRuns bounds the ids in one query.
const hydrateRuns = 1000

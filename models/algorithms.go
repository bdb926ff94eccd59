package models

// registry holds every algorithm, by name.
var registry = []entry{elasticNet, extraTrees, gradientBoosting, lasso, linearRegression, logisticRegression, malaschitzForest, randomForest, ridge}

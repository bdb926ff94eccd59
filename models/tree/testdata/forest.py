"""Writes forest.json: single decision trees of scikit-learn, whose splits are
determined (all features, no ties between them), and their answers.

    python forest.py > forest.json      scikit-learn 1.9.1, numpy 2.4.6
"""
import json
import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

rng = np.random.default_rng(3)
x = rng.normal(size=(240, 4)).astype(np.float32)  # what scikit-learn computes with
x[:, 2] = np.round(x[:, 2] * 2) / 2
y = np.sin(2 * x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + 0.3 * rng.normal(size=240)
classes = np.digitize(y, [-0.4, 0.9])
holes = x.copy()
holes[rng.random(size=x.shape) < 0.15] = np.nan
weights = np.where(rng.random(240) < 0.2, 0, rng.integers(1, 9, size=240) / 4)
fit, ask = slice(0, 180), slice(180, 240)


def case(name, model, x, target, settings, weights=None):
    answers = []
    for seed in range(20):  # draws the features' order, which decides ties
        model.set_params(random_state=seed)
        model.fit(x[fit], target[fit], sample_weight=None if weights is None else weights[fit])
        answers.append(model.predict_proba(x[ask]) if settings["Classes"] else model.predict(x[ask]))
    assert all(np.allclose(a, answers[0], atol=1e-12, rtol=0) for a in answers), name
    answer = answers[0]
    return {"name": name, "settings": settings, "holes": x is holes, "weighted": weights is not None,
            "leaves": int(model.get_n_leaves()), "answer": answer.ravel().tolist()}


R, C = DecisionTreeRegressor, DecisionTreeClassifier
print(json.dumps({
    "x": [None if np.isnan(v) else float(v) for v in x.ravel()],
    "holes": [None if np.isnan(v) else float(v) for v in holes.ravel()],
    "y": y.tolist(), "classes": classes.tolist(), "weights": weights.tolist(), "rows": 180, "cols": 4,
    "cases": [
        case("regression", R(min_samples_leaf=5), x, y, {"Classes": 0, "MinLeaf": 5}),
        case("depth", R(max_depth=3), x, y, {"Classes": 0, "MaxDepth": 3}),
        case("split", R(min_samples_split=20, min_samples_leaf=3), x, y, {"Classes": 0, "MinSplit": 20, "MinLeaf": 3}),
        case("regression, missing values", R(min_samples_leaf=5), holes, y, {"Classes": 0, "MinLeaf": 5}),
        case("regression, weights", R(min_samples_leaf=5), x, y, {"Classes": 0, "MinLeaf": 5}, weights),
        case("gini", C(min_samples_leaf=11), x, classes, {"Classes": 3, "MinLeaf": 11}),
        case("entropy", C(min_samples_leaf=11, criterion="entropy"), x, classes, {"Classes": 3, "MinLeaf": 11, "Entropy": True}),
        case("gini, balanced", C(min_samples_leaf=11, class_weight="balanced"), x, classes, {"Classes": 3, "MinLeaf": 11, "Balanced": True}),
        case("entropy, balanced", C(min_samples_leaf=18, criterion="entropy", class_weight="balanced"), x, classes, {"Classes": 3, "MinLeaf": 18, "Entropy": True, "Balanced": True}),
        case("gini, missing values", C(min_samples_leaf=11), holes, classes, {"Classes": 3, "MinLeaf": 11}),
    ]}, separators=(",", ":")))

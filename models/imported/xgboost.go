package imported

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial/models/tree"
)

// document is as much of XGBoost's JSON as is needed. XGBoost writes parameters
// as texts.
type document struct {
	Version []int    `json:"version"`
	Learner *learner `json:"learner"`
}

type learner struct {
	Attributes map[string]string `json:"attributes"`
	Names      []string          `json:"feature_names"`
	Types      []string          `json:"feature_types"`
	Booster    booster           `json:"gradient_booster"`
	Param      struct {
		BaseScore json.RawMessage `json:"base_score"`
		Classes   string          `json:"num_class"`
		Features  string          `json:"num_feature"`
		Targets   string          `json:"num_target"`
	} `json:"learner_model_param"`
	Objective struct {
		Name string `json:"name"`
	} `json:"objective"`
}

// booster is gbtree itself, or dart around it.
type booster struct {
	Name    string   `json:"name"`
	Model   *forest  `json:"model"`
	GBTree  *booster `json:"gbtree"`
	Weights []number `json:"weight_drop"`
}

type forest struct {
	Param struct {
		Parallel string `json:"num_parallel_tree"`
		Trees    string `json:"num_trees"`
	} `json:"gbtree_model_param"`
	Layers []int         `json:"iteration_indptr"` // from XGBoost 1.7 on
	Groups []int         `json:"tree_info"`
	Trees  []xgboostTree `json:"trees"`
	Cats   *struct {
		Encoded  []encodedCats `json:"enc"`
		Segments []int         `json:"feature_segments"`
	} `json:"cats"` // from XGBoost 3.1 on
}

// encodedCats are a feature's categories: texts as bytes with offsets, or numbers.
type encodedCats struct {
	Offsets []int             `json:"offsets"`
	Values  []json.RawMessage `json:"values"`
}

// newestXGBoost is the last major version whose files are known.
const newestXGBoost = 3

// parseXGBoost reads the JSON form, as XGBoost 1.0 and later write it.
func parseXGBoost(file []byte) (*Model, error) {
	var d document
	if err := json.Unmarshal(withoutNaN(file), &d); err != nil {
		if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); wrong && d.Learner == nil {
			return nil, otherJSON(file) // JSON, but of something else
		}
		return nil, notXGBoost(file, err)
	}
	if d.Learner == nil {
		return nil, otherJSON(file)
	}
	if key := twice(file); key != "" {
		return nil, malformedf("its JSON has %q twice in one object", shorten(key))
	}
	if len(d.Version) > 0 && (d.Version[0] < 1 || d.Version[0] > newestXGBoost) {
		return nil, invalidf("XGBoost files of version %s are not known; Perennial reads 1 to %d", shorten(dotted(d.Version)), newestXGBoost).
			WithHint("Load the model with XGBoost %d and save it again with booster.save_model.", newestXGBoost)
	}
	l := d.Learner
	m := &Model{Format: XGBoost, Version: dotted(d.Version), Objective: l.Objective.Name}
	b := &l.Booster
	weights := b.Weights
	if b.Name == "dart" && b.GBTree != nil {
		b = b.GBTree
	}
	if b.Name != "gbtree" || b.Model == nil {
		return nil, invalidf("Perennial can't answer for the booster %q", shorten(l.Booster.Name)).WithHint("It knows gbtree and dart.")
	}
	if err := m.xgboostFeatures(l, b.Model); err != nil {
		return nil, err
	}
	if err := m.xgboostObjective(l); err != nil {
		return nil, err
	}
	if l.Booster.Name == "dart" && len(weights) != len(b.Model.Trees) {
		return nil, malformedf("it has %d weights for %d trees", len(weights), len(b.Model.Trees))
	}
	used, err := m.layers(l, b.Model)
	if err != nil {
		return nil, err
	}
	budget := len(file) + spareWords
	for i := range b.Model.Trees[:used] {
		weight := number(1)
		if l.Booster.Name == "dart" {
			weight = weights[i]
		}
		t, err := b.Model.Trees[i].raw(weight, &budget)
		if err != nil {
			return nil, prefixed(err, fmt.Sprintf("tree %d", i))
		}
		t.score = b.Model.Groups[i]
		m.trees = append(m.trees, t)
	}
	return m, nil
}

func dotted(version []int) string {
	parts := make([]string, len(version))
	for i, v := range version {
		parts[i] = strconv.Itoa(v)
	}
	return strings.Join(parts, ".")
}

func (m *Model) xgboostFeatures(l *learner, f *forest) error {
	n, err := strconv.Atoi(l.Param.Features)
	if err != nil || n < 0 || n > maxFeatures {
		return invalidf("the model has %q features; Perennial takes 1 to %d", shorten(l.Param.Features), maxFeatures)
	}
	if len(l.Names) > 0 && len(l.Names) != n {
		return malformedf("it names %d features of %d", len(l.Names), n)
	}
	m.Features, m.zero = make([]Feature, n), make([]bool, n)
	for i := range m.Features {
		at := &m.Features[i]
		at.Name = "f" + strconv.Itoa(i)
		if len(l.Names) > 0 {
			m.Named = m.Named || l.Names[i] != at.Name
			at.Name = l.Names[i]
		}
		at.Categorical = i < len(l.Types) && l.Types[i] == "c"
		if f.Cats == nil || i >= len(f.Cats.Encoded) || i+1 >= len(f.Cats.Segments) || f.Cats.Segments[i+1] == f.Cats.Segments[i] {
			continue
		}
		at.Categorical = true
		if at.Categories, err = f.Cats.Encoded[i].texts(); err != nil {
			return malformedf("the categories of %s %v", shorten(at.Name), err)
		}
	}
	return nil
}

// texts gives the categories as a table's text file has them.
func (e *encodedCats) texts() ([]string, error) {
	out := make([]string, 0, len(e.Values))
	if e.Offsets == nil {
		for _, v := range e.Values {
			out = append(out, string(v))
		}
		return out, nil
	}
	letters := make([]byte, len(e.Values))
	for i, v := range e.Values {
		n, err := strconv.Atoi(string(v))
		if err != nil || n < math.MinInt8 || n > math.MaxUint8 {
			return nil, fmt.Errorf("hold the byte %q", shorten(string(v)))
		}
		letters[i] = byte(n) // above 127 it is written as a negative number
	}
	for i := 1; i < len(e.Offsets); i++ {
		from, to := e.Offsets[i-1], e.Offsets[i]
		if from < 0 || from > to || to > len(letters) {
			return nil, fmt.Errorf("lie at %d to %d of %d", from, to, len(letters))
		}
		out = append(out, string(letters[from:to]))
	}
	return out, nil
}

// layers tells how many trees answer: all, or those up to the best iteration
// where the training was stopped early, as XGBoost's scikit-learn models do.
func (m *Model) layers(l *learner, f *forest) (trees int, err error) {
	if len(f.Groups) != len(f.Trees) {
		return 0, malformedf("it has %d trees and the classes of %d", len(f.Trees), len(f.Groups))
	}
	if n := f.Param.Trees; n != "" && n != strconv.Itoa(len(f.Trees)) {
		return 0, malformedf("it has %d of its %s trees", len(f.Trees), shorten(n))
	}
	ends := f.Layers
	if len(ends) == 0 {
		parallel, err := strconv.Atoi(f.Param.Parallel)
		if err != nil || parallel < 1 || parallel > max(len(f.Trees), 1) {
			return 0, malformedf("num_parallel_tree is %q", shorten(f.Param.Parallel))
		}
		per := parallel * len(m.shape.base)
		for at := 0; at <= len(f.Trees); at += per {
			ends = append(ends, at)
		}
	}
	if ends[0] != 0 || ends[len(ends)-1] != len(f.Trees) || !slices.IsSorted(ends) {
		return 0, malformedf("its iterations don't add up to its %d trees", len(f.Trees))
	}
	m.Iterations = len(ends) - 1
	text, stopped := l.Attributes["best_iteration"]
	if !stopped {
		return len(f.Trees), nil
	}
	best, err := strconv.Atoi(text)
	if err != nil || best < 0 || best >= m.Iterations {
		return 0, malformedf("its best iteration is %q of %d", shorten(text), m.Iterations)
	}
	m.Dropped = m.Iterations - best - 1
	m.Iterations = best + 1
	return ends[best+1], nil
}

// xgboostObjective decides how scores become answers, all in float32 as XGBoost
// computes them.
func (m *Model) xgboostObjective(l *learner) error {
	classes, err := strconv.Atoi(l.Param.Classes)
	if err != nil || classes < 0 || classes > maxClasses {
		return invalidf("the model has %q classes; Perennial takes at most %d", shorten(l.Param.Classes), maxClasses)
	}
	if t := l.Param.Targets; t != "" && t != "1" && t != "0" {
		return invalidf("the model predicts %s targets; Perennial's models predict one", shorten(t)).WithHint("Train one model for each target.")
	}
	if classes > 1 && !strings.HasPrefix(m.Objective, "multi:") {
		return invalidf("a %s model with %d classes is not known", shorten(m.Objective), classes)
	}
	link := func(p float32) float32 { return p }
	switch m.Objective {
	case "reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror", "reg:quantileerror", "rank:pairwise", "rank:ndcg", "rank:map":
		m.regression(tree.Sum | tree.Single)
	case "reg:logistic":
		m.regression(tree.SumLogistics | tree.Single)
		link = logit
	case "count:poisson", "reg:gamma", "reg:tweedie":
		m.regression(tree.SumExp | tree.Single)
		link = func(p float32) float32 { return float32(math.Log(float64(p))) }
	case "binary:logistic":
		m.classification(2, 1, tree.SumLogistic|tree.Single)
		link = logit
	case "binary:logitraw": // its base_score is a score, and its answers are made probabilities here
		m.classification(2, 1, tree.SumLogistic|tree.Single)
	case "multi:softprob", "multi:softmax":
		if classes < 2 {
			return malformedf("it has %d classes", classes)
		}
		m.classification(classes, classes, tree.SumSoftmax|tree.Single)
	default:
		return unknownObjective(m.Format, m.Objective, "reg:squarederror, reg:absoluteerror, reg:pseudohubererror, reg:squaredlogerror, reg:quantileerror, reg:logistic, reg:gamma, reg:tweedie, count:poisson, binary:logistic, binary:logitraw, multi:softprob, multi:softmax and rank:*")
	}
	return m.xgboostBase(l.Param.BaseScore, link)
}

// logit is XGBoost's own, in float32.
func logit(p float32) float32 { return -float32(math.Log(float64(1/p - 1))) }

// xgboostBase reads base_score: "5E-1", or from XGBoost 3.1 on "[5E-1]" with one
// number for all scores or one for each.
func (m *Model) xgboostBase(raw json.RawMessage, link func(float32) float32) error {
	text := strings.Trim(string(raw), `"[] `)
	numbers := strings.Split(text, ",")
	if len(numbers) != 1 && len(numbers) != len(m.shape.base) {
		return malformedf("its base_score has %d numbers for %d scores", len(numbers), len(m.shape.base))
	}
	for i := range m.shape.base {
		number := numbers[min(i, len(numbers)-1)]
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 32)
		score := float64(link(float32(v)))
		if err != nil || !finite(score) {
			return malformedf("its base_score is %q", shorten(text))
		}
		m.shape.base[i] = score
	}
	return nil
}

package imported

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

// lightGBMStart begins the first line of a LightGBM text file.
const lightGBMStart = "tree"

// sections are the parts of a LightGBM file as key=value lines: the head, then
// one per tree.
type sections []map[string]string

// cut reads the lines up to "end of trees" into sections, and finds the last
// line, which has the categories of a pandas table.
func cutLightGBM(file []byte) (s sections, pandas string, err error) {
	s = sections{{}}
	trees, whole, averages := file, false, false
	if i := bytes.Index(file, []byte("\nend of trees")); i >= 0 {
		trees, whole = file[:i], true
		if j := bytes.LastIndex(file[i:], []byte("\npandas_categorical:")); j >= 0 {
			pandas, _, _ = strings.Cut(string(file[i+j+len("\npandas_categorical:"):]), "\n")
		}
	}
	for line := range bytes.Lines(trees) {
		line = bytes.TrimRight(line, "\r\n")
		key, value, found := bytes.Cut(line, []byte("="))
		switch {
		case string(line) == "average_output":
			averages = true
		case !found:
		case string(key) == "Tree":
			if string(value) != strconv.Itoa(len(s)-1) {
				return nil, "", malformedf("it has Tree=%q where Tree=%d belongs", shorten(string(value)), len(s)-1)
			}
			s = append(s, map[string]string{})
		default:
			s[len(s)-1][string(key)] = string(value)
		}
	}
	if averages {
		s[0]["average_output"] = "1"
	}
	if !whole {
		return nil, "", malformedf("it ends before its line \"end of trees\"")
	}
	return s, strings.TrimSpace(pandas), nil
}

// parseLightGBM reads the text form, version v2 to v4 (LightGBM 2.2 and later).
func parseLightGBM(file []byte) (*Model, error) {
	s, pandas, err := cutLightGBM(file)
	if err != nil {
		return nil, err
	}
	head := s[0]
	m := &Model{Format: LightGBM, Version: head["version"]}
	if !slices.Contains([]string{"v2", "v3", "v4"}, m.Version) {
		return nil, invalidf("LightGBM files of version %q are not known; Perennial reads v2, v3 and v4", shorten(m.Version)).
			WithHint("Load the model with LightGBM 4 and save it again with booster.save_model.")
	}
	if err := m.lightGBMFeatures(head, pandas); err != nil {
		return nil, err
	}
	perIteration, err := strconv.Atoi(head["num_tree_per_iteration"])
	if err != nil || perIteration < 1 || perIteration > maxClasses {
		return nil, malformedf("num_tree_per_iteration is %q", shorten(head["num_tree_per_iteration"]))
	}
	if classes := head["num_class"]; classes != strconv.Itoa(perIteration) {
		return nil, malformedf("num_class is %q, and it has %d trees per iteration", shorten(classes), perIteration)
	}
	sizes, listed := head["tree_sizes"] // from LightGBM 2.1.1 on
	if n := len(strings.Fields(sizes)); listed && n != len(s)-1 {
		return nil, malformedf("it has %d of its %d trees", len(s)-1, n)
	}
	if (len(s)-1)%perIteration != 0 {
		return nil, malformedf("it has %d trees, %d per iteration", len(s)-1, perIteration)
	}
	m.Iterations = (len(s) - 1) / perIteration
	sigmoid, err := m.lightGBMObjective(head["objective"], perIteration)
	if err != nil {
		return nil, err
	}
	scale := sigmoid
	if head["average_output"] != "" && m.Iterations > 0 { // random forests
		scale /= float64(m.Iterations)
	}
	m.zero = make([]bool, len(m.Features))
	for i, section := range s[1:] {
		t, err := m.lightGBMTree(section, scale)
		if err != nil {
			return nil, prefixed(err, fmt.Sprintf("tree %d", i))
		}
		t.score = i % perIteration
		m.trees = append(m.trees, t)
	}
	return m, m.checkZero()
}

// prefixed puts a place before what an error says.
func prefixed(err error, place string) error {
	if _, ours := errors.AsType[*perennial.Error](err); ours {
		return err
	}
	return malformedf("%s %v", place, err)
}

// maxClasses is how many classes a target may have.
const maxClasses = 1000

// lightGBMFeatures reads names, and which columns are categorical: those have a
// list of codes where others have a range.
func (m *Model) lightGBMFeatures(head map[string]string, pandas string) error {
	last, err := strconv.Atoi(head["max_feature_idx"])
	names := strings.Fields(head["feature_names"])
	if err != nil || len(names) != last+1 {
		return malformedf("it names %d features, and max_feature_idx is %q", len(names), shorten(head["max_feature_idx"]))
	}
	infos := strings.Fields(head["feature_infos"])
	var used []int
	for i, name := range names {
		f := Feature{Name: name}
		if i < len(infos) && infos[i] != "none" && !strings.HasPrefix(infos[i], "[") {
			f.Categorical = true
			used = append(used, i)
		}
		m.Features = append(m.Features, f)
		m.Named = m.Named || name != "Column_"+strconv.Itoa(i)
	}
	if pandas == "" || pandas == "null" || pandas == "[]" {
		return nil
	}
	var lists [][]json.RawMessage
	if err := json.Unmarshal([]byte(pandas), &lists); err != nil {
		return malformedf("its line pandas_categorical can't be read")
	}
	m.pandas = make([][]string, len(lists))
	for i, list := range lists {
		m.pandas[i] = []string{}
		for _, value := range list {
			m.pandas[i] = append(m.pandas[i], categoryText(value))
		}
	}
	if len(used) == len(lists) {
		for i, at := range used {
			m.Features[at].Categories = m.pandas[i]
		}
		m.pandas = nil
	}
	return nil
}

// categoryText is a category as a table's text file has it.
func categoryText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// lightGBMObjective decides how scores become answers. The number is what
// scores are multiplied with first.
func (m *Model) lightGBMObjective(line string, perIteration int) (sigmoid float64, err error) {
	words := strings.Fields(line)
	name, params := "custom", map[string]string{}
	if len(words) > 0 {
		name = words[0]
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, ":")
			params[key] = value
		}
	}
	m.Objective, sigmoid = name, 1
	known := true
	switch name {
	case "regression", "regression_l1", "huber", "fair", "quantile", "mape", "custom", "lambdarank", "rank_xendcg":
		m.regression(tree.Sum)
	case "poisson", "gamma", "tweedie":
		m.regression(tree.SumExp)
	case "cross_entropy", "xentropy":
		m.regression(tree.SumLogistics)
	case "binary":
		m.classification(2, 1, tree.SumLogistic)
	case "multiclass", "softmax":
		m.classification(perIteration, perIteration, tree.SumSoftmax)
	case "multiclassova", "multiclass_ova", "ova", "ovr":
		m.classification(perIteration, perIteration, tree.SumLogistics)
	default:
		known = false
	}
	if _, root := params["sqrt"]; !known || root {
		return 0, unknownObjective(m.Format, strings.TrimSpace(line), "regression (l2, l1, huber, fair, quantile, mape, poisson, gamma, tweedie), cross_entropy, binary, multiclass, multiclassova, lambdarank and rank_xendcg")
	}
	if text, ok := params["sigmoid"]; ok {
		if sigmoid, err = strconv.ParseFloat(text, 64); err != nil || !finite(sigmoid) || sigmoid <= 0 {
			return 0, malformedf("its sigmoid is %q", shorten(text))
		}
	}
	if len(m.shape.base) != perIteration {
		return 0, invalidf("a %s model with %d trees per iteration is not known", name, perIteration)
	}
	return sigmoid, nil
}

func (m *Model) regression(c tree.Combine) {
	m.Task = perennial.Regression
	m.shape = shape{combine: c, outputs: 1, base: make([]float64, 1)}
}

func (m *Model) classification(classes, scores int, c tree.Combine) {
	m.Task, m.Classes = perennial.Classification, classes
	m.shape = shape{combine: c, outputs: classes, base: make([]float64, scores)}
}

func unknownObjective(f Format, objective, known string) error {
	return invalidf("Perennial can't answer for the objective %q of %s", shorten(objective), f).
		WithHint("It knows %s.", known)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// shorten keeps what a file says readable in a message.
func shorten(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

package imported

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The bits of LightGBM's decision_type.
const (
	isCategorical  = 1
	defaultLeft    = 2
	missingShift   = 2
	missingNone    = 0 // NaN counts as 0
	missingZero    = 1 // 0 and NaN go where default_left says
	missingNaN     = 2 // NaN goes where default_left says
	missingUnknown = 3
)

// ZeroBand is LightGBM's kZeroThreshold, a float32: what isn't farther from 0
// counts as 0.
const ZeroBand = float64(float32(1e-35))

// lightGBMTree reads one tree; its leaves are multiplied with scale.
func (m *Model) lightGBMTree(s map[string]string, scale float64) (rawTree, error) {
	leaves, err := strconv.Atoi(s["num_leaves"])
	if err != nil || leaves < 1 || leaves > len(s["leaf_value"]) {
		return rawTree{}, fmt.Errorf("has %q leaves", shorten(s["num_leaves"]))
	}
	if linear := strings.TrimSpace(s["is_linear"]); linear != "" && linear != "0" {
		return rawTree{}, invalidf("Perennial can't answer for linear trees (linear_tree=true)").
			WithHint("Train it with linear_tree=false.")
	}
	values, err := floats(s, "leaf_value", leaves)
	if err != nil {
		return rawTree{}, err
	}
	t := rawTree{nodes: make([]rawNode, leaves-1, 2*leaves-1)}
	if leaves > 1 {
		if err := m.lightGBMSplits(s, t.nodes); err != nil {
			return rawTree{}, err
		}
	}
	for _, v := range values {
		t.nodes = append(t.nodes, rawNode{leaf: true, value: v * scale})
	}
	return t, nil
}

// lightGBMSplits reads the inner nodes. A child below 0 is the leaf of its
// complement, and leaves follow the inner nodes.
func (m *Model) lightGBMSplits(s map[string]string, nodes []rawNode) error {
	n := len(nodes)
	var columns [4][]int
	for i, key := range []string{"split_feature", "decision_type", "left_child", "right_child"} {
		var err error
		if columns[i], err = integers(s, key, n); err != nil {
			return err
		}
	}
	thresholds, err := floats(s, "threshold", n)
	if err != nil {
		return err
	}
	sets, err := lightGBMSets(s)
	if err != nil {
		return err
	}
	for i := range nodes {
		feature, decision := columns[0][i], columns[1][i]
		if feature < 0 || feature >= len(m.Features) {
			return fmt.Errorf("splits feature %d of %d", feature, len(m.Features))
		}
		node := rawNode{feature: feature, threshold: thresholds[i]}
		if decision&isCategorical != 0 {
			at := int(thresholds[i])
			if !(thresholds[i] >= 0 && at < len(sets)) {
				return fmt.Errorf("has no category list %g", thresholds[i])
			}
			node.codes, node.nanRight, node.threshold = sets[at], true, 0
		} else if err := m.numericSplit(&node, decision); err != nil {
			return err
		}
		for k, child := range []int{columns[2][i], columns[3][i]} {
			if child < 0 {
				child = n + ^child
			}
			if k == 0 {
				node.left = child
			} else {
				node.right = child
			}
		}
		nodes[i] = node
	}
	return nil
}

// numericSplit sets where NaN goes, and moves a threshold within the zero band
// to where it cuts once every value in the band counts as 0.
func (m *Model) numericSplit(node *rawNode, decision int) error {
	left := decision&defaultLeft != 0
	node.missing = uint8(decision >> missingShift & missingUnknown)
	switch node.missing {
	case missingNone:
		left = 0 <= node.threshold
	case missingZero:
		m.zero[node.feature] = true
	case missingNaN:
	default:
		return fmt.Errorf("has the decision type %d", decision)
	}
	node.nanRight = !left
	switch {
	case node.threshold >= -ZeroBand && node.threshold < 0:
		node.threshold = math.Nextafter(-ZeroBand, math.Inf(-1))
	case node.threshold >= 0 && node.threshold < ZeroBand:
		node.threshold = ZeroBand
	}
	return nil
}

// checkZero refuses what training on from another model can lead to: a feature
// whose zeros are missing values in one tree and numbers in another, both of
// which tell missing values apart.
func (m *Model) checkZero() error {
	for i := range m.trees {
		for j := range m.trees[i].nodes {
			n := &m.trees[i].nodes[j]
			if n.leaf || n.codes != nil || !m.zero[n.feature] || n.missing != missingNaN {
				continue
			}
			return invalidf("the trees disagree whether 0 is a missing value of %s", shorten(m.Features[n.feature].Name)).
				WithHint("Train the model in one go, with zero_as_missing either on or off.")
		}
	}
	return nil
}

// lightGBMSets reads the category lists: 32-bit words, cut at the boundaries.
func lightGBMSets(s map[string]string) ([][]uint64, error) {
	count, err := strconv.Atoi(s["num_cat"])
	if s["num_cat"] == "" || err == nil && count == 0 {
		return nil, nil
	}
	if err != nil || count < 0 || count > len(s["cat_boundaries"]) {
		return nil, fmt.Errorf("has %q category lists", shorten(s["num_cat"]))
	}
	bounds, err := integers(s, "cat_boundaries", count+1)
	if err != nil {
		return nil, err
	}
	words, err := integers(s, "cat_threshold", bounds[count])
	if err != nil {
		return nil, err
	}
	sets := make([][]uint64, count)
	for i := range sets {
		from, to := bounds[i], bounds[i+1]
		if from < 0 || from > to || to > len(words) {
			return nil, fmt.Errorf("has a category list from %d to %d of %d", from, to, len(words))
		}
		sets[i] = make([]uint64, (to-from+1)/2)
		for j, w := range words[from:to] {
			if w < 0 || w > math.MaxUint32 {
				return nil, fmt.Errorf("has the categories %d", w)
			}
			sets[i][j/2] |= uint64(w) << (32 * (j % 2))
		}
	}
	return sets, nil
}

// floats reads a line of n numbers.
func floats(s map[string]string, key string, n int) ([]float64, error) {
	return fields(s, key, n, func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
}

// integers reads a line of n whole numbers.
func integers(s map[string]string, key string, n int) ([]int, error) {
	return fields(s, key, n, strconv.Atoi)
}

// fields reads a line of n values. A line has at least a byte for each, so that
// no count makes room for more than there is.
func fields[T any](s map[string]string, key string, n int, parse func(string) (T, error)) ([]T, error) {
	if n < 0 || n > len(s[key]) {
		return nil, fmt.Errorf("has no %d values in %s", n, key)
	}
	out := make([]T, 0, n)
	for text := range strings.FieldsSeq(s[key]) {
		v, err := parse(text)
		if err != nil || len(out) == n {
			return nil, fmt.Errorf("has %q among the %d values of %s", shorten(text), n, key)
		}
		out = append(out, v)
	}
	if len(out) != n {
		return nil, fmt.Errorf("has %d values in %s instead of %d", len(out), key, n)
	}
	return out, nil
}

package imported

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// xgboostTree is a tree as columns, one element per node.
type xgboostTree struct {
	Left        []int    `json:"left_children"` // -1: a leaf
	Right       []int    `json:"right_children"`
	Feature     []int    `json:"split_indices"`
	Condition   []number `json:"split_conditions"` // the value of a leaf
	DefaultLeft []flag   `json:"default_left"`
	Kind        []int    `json:"split_type"` // 1: categorical; from XGBoost 1.3 on
	Cats        []int    `json:"categories"`
	CatNodes    []int    `json:"categories_nodes"`
	CatSegments []int    `json:"categories_segments"`
	CatSizes    []int    `json:"categories_sizes"`
	Param       struct {
		Nodes  string `json:"num_nodes"`
		Vector string `json:"size_leaf_vector"`
	} `json:"tree_param"`
}

// number is a float32; null, for what is no number, is NaN.
type number float32

// UnmarshalJSON reads a number.
func (n *number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = number(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 32)
	*n = number(v)
	return err
}

// withoutNaN makes null of the NaN and Infinity that XGBoost writes where a
// categorical split needs no threshold, and that JSON doesn't have.
func withoutNaN(file []byte) []byte {
	if !bytes.Contains(file, []byte("NaN")) && !bytes.Contains(file, []byte("Infinity")) {
		return file
	}
	out, quoted := make([]byte, 0, len(file)+len(file)/3), false
	for i := 0; i < len(file); i++ {
		switch c := file[i]; {
		case quoted && c == '\\' && i+1 < len(file):
			out = append(out, c)
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case bytes.HasPrefix(file[i:], []byte("NaN")):
			out, i = append(out, "null"...), i+len("NaN")
		case bytes.HasPrefix(file[i:], []byte("-Infinity")):
			out, i = append(out, "null"...), i+len("-Infinity")
		case bytes.HasPrefix(file[i:], []byte("Infinity")):
			out, i = append(out, "null"...), i+len("Infinity")
		}
		if i < len(file) {
			out = append(out, file[i])
		}
	}
	return out
}

// flag is 0 or 1, or false or true as XGBoost wrote it first.
type flag bool

// UnmarshalJSON reads a flag.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag(bytes.Equal(b, []byte("1")) || bytes.Equal(b, []byte("true")))
	if !bool(*f) && !bytes.Equal(b, []byte("0")) && !bytes.Equal(b, []byte("false")) {
		return fmt.Errorf("%s is neither 0 nor 1", b)
	}
	return nil
}

// raw gives the tree with its leaves times a weight (dart), in float32. budget is
// how many words of category sets there is still memory for.
func (x *xgboostTree) raw(weight number, budget *int) (rawTree, error) {
	n := len(x.Left)
	if v := x.Param.Vector; v != "" && v != "0" && v != "1" {
		return rawTree{}, invalidf("Perennial can't answer for trees with several values per leaf (multi_strategy=multi_output_tree)").
			WithHint("Train it with multi_strategy=one_output_per_tree.")
	}
	if len(x.Right) != n || len(x.Feature) != n || len(x.Condition) != n || len(x.DefaultLeft) != n || x.Kind != nil && len(x.Kind) != n {
		return rawTree{}, fmt.Errorf("has columns of different lengths")
	}
	if v := x.Param.Nodes; v != "" && v != strconv.Itoa(n) {
		return rawTree{}, fmt.Errorf("has %d of its %s nodes", n, shorten(v))
	}
	sets, err := x.sets(budget)
	if err != nil {
		return rawTree{}, err
	}
	t := rawTree{nodes: make([]rawNode, n)}
	for i := range t.nodes {
		node := &t.nodes[i]
		if x.Left[i] == -1 {
			*node = rawNode{leaf: true, value: float64(x.Condition[i] * weight)}
			continue
		}
		*node = rawNode{feature: x.Feature[i], nanRight: !bool(x.DefaultLeft[i]), left: x.Left[i], right: x.Right[i]}
		if x.Kind == nil || x.Kind[i] == 0 {
			node.threshold = below(float32(x.Condition[i]))
			continue
		}
		// Categories in the list go right, everything else goes left: with the
		// children exchanged that is what rawNode says.
		set, ok := sets[i]
		if !ok {
			return rawTree{}, fmt.Errorf("has no categories for node %d", i)
		}
		node.codes, node.left, node.right, node.nanRight = set, node.right, node.left, !node.nanRight
	}
	return t, nil
}

// below gives the greatest x whose float32 is less than c: XGBoost rounds its
// input to float32, to the nearest and among two equally near ones to the even
// one, and asks x < c. It is the middle between c and the float32 before it, or
// the float64 before that where the middle is rounded up to c.
func below(c float32) float64 {
	const beyond = 0x1p128 // what would come after the greatest float32
	before := math.Nextafter32(c, float32(math.Inf(-1)))
	switch {
	case math.IsNaN(float64(c)):
		return math.NaN() // refused later
	case math.IsInf(float64(c), -1):
		return math.Inf(-1) // nothing finite is less
	}
	lower, upper := max(float64(before), -beyond), min(float64(c), beyond)
	middle := lower + (upper-lower)/2
	if math.Float32bits(before)&1 == 0 {
		return middle
	}
	return math.Nextafter(middle, math.Inf(-1))
}

// maxCategory is how many categories XGBoost knows: a float32 counts so far.
const maxCategory = 1 << 24

// sets gives the lists of categories by node. A single large number in the file
// would make a long set, which is what the budget bounds.
func (x *xgboostTree) sets(budget *int) (map[int][]uint64, error) {
	if len(x.CatSegments) != len(x.CatNodes) || len(x.CatSizes) != len(x.CatNodes) {
		return nil, fmt.Errorf("has category columns of different lengths")
	}
	sets := make(map[int][]uint64, len(x.CatNodes))
	for i, node := range x.CatNodes {
		from, size := x.CatSegments[i], x.CatSizes[i]
		if from < 0 || size < 0 || from > len(x.Cats) || size > len(x.Cats)-from {
			return nil, fmt.Errorf("has categories at %d of %d", from, len(x.Cats))
		}
		set := []uint64{}
		for _, c := range x.Cats[from : from+size] {
			if c < 0 || c >= maxCategory {
				return nil, fmt.Errorf("has the category %d", c)
			}
			for len(set) <= c/64 {
				if *budget--; *budget < 0 {
					return nil, tooManyCategories()
				}
				set = append(set, 0)
			}
			set[c/64] |= 1 << (c % 64)
		}
		sets[node] = set
	}
	return sets, nil
}

// twice finds a key that an object of valid JSON has more than once, of which
// readers take one or the other; "" for none.
func twice(valid []byte) string {
	var open []map[string]bool // the keys of the objects around; nil for none yet, and for a list
	for i := 0; i < len(valid); i++ {
		switch valid[i] {
		case '{', '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			from := i + 1
			for i++; valid[i] != '"'; i++ {
				if valid[i] == '\\' {
					i++
				}
			}
			if rest := bytes.TrimLeft(valid[i+1:], " \t\r\n"); len(rest) == 0 || rest[0] != ':' {
				continue
			}
			keys := open[len(open)-1]
			if keys == nil {
				keys = map[string]bool{}
				open[len(open)-1] = keys
			}
			key := string(valid[from:i])
			if keys[key] {
				return key
			}
			keys[key] = true
		}
	}
	return ""
}

// notXGBoost explains why bytes aren't JSON.
func notXGBoost(file []byte, err error) error {
	if len(file) == 0 {
		return malformedf("it is empty")
	}
	if file[0] == '{' || file[0] == '[' {
		return malformedf("its JSON can't be read: %v", jsonFault(err))
	}
	return unknownFile()
}

func jsonFault(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s stands where a %s belongs, in %s", e.Value, e.Type.Kind(), shorten(e.Field))
	}
	return shorten(err.Error())
}

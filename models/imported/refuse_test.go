package imported_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/imported"
)

// stump is XGBoost JSON of one tree with one split.
func stump(condition string) string {
	return `{"learner":{"attributes":{},"feature_names":[],"feature_types":[],"gradient_booster":{"model":{
		"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"tree_info":[0],"trees":[{
		"default_left":[1,0,0],"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_conditions":[` + condition + `,-1,1],
		"split_indices":[0,0,0],"split_type":[0,0,0],"tree_param":{"size_leaf_vector":"0"}}]},"name":"gbtree"},
		"learner_model_param":{"base_score":"0","num_class":"0","num_feature":"1","num_target":"1"},
		"objective":{"name":"reg:squarederror"}},"version":[1,7,6]}`
}

// one is a schema of one feature x and the target y.
func one(target perennial.Column) *perennial.Schema {
	target.Name, target.Role = "y", perennial.RoleTarget
	return &perennial.Schema{Columns: []perennial.Column{{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric}, target}}
}

func TestSplitsOfXGBoostCompareFloat32(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{
			0, 1, -1, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32, 1 << 24, 0.1,
		})).Filter(func(c float32) bool { return !math.IsInf(float64(c), 0) }).Draw(t, "condition")
		m, err := imported.Parse([]byte(stump(fmt.Sprint(c))))
		require.NoError(t, err)
		b, err := m.Bind(one(perennial.Column{Type: perennial.TypeNumeric}))
		require.NoError(t, err)
		x := float64(math.Nextafter32(c, rapid.SampledFrom([]float32{float32(math.Inf(-1)), 0, float32(math.Inf(1))}).Draw(t, "towards")))
		if rapid.Bool().Draw(t, "between") {
			x = x/2 + float64(c)/2
		}
		for range rapid.IntRange(0, 2).Draw(t, "steps") {
			x = math.Nextafter(x, rapid.SampledFrom([]float64{math.Inf(-1), math.Inf(1)}).Draw(t, "way"))
		}
		want, got := 1.0, []float64{0}
		if float32(x) < c {
			want = -1
		}
		b.Trees.Predict([]float64{x}, got)
		require.Equal(t, want, got[0], "%v < %v", x, c)
	})
}

func TestOtherFilesAreRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, says, hints string }{
		"pickle, protocol 5":                  {"\x80\x05\x95\x10\x00", "a pickle", "save_model"},
		"pickle, protocol 0":                  {"c__builtin__\neval\n(S'1'\ntR.", "a pickle", "save_model"},
		"pickle of a model, protocol 0":       {"ccopy_reg\n_reconstructor\np0\n(csklearn.linear_model._base\nLinearRegression\np1\nsb.", "a pickle", "save_model"},
		"pickle of a tuple, protocol 0":       {"(ccopy_reg\n_reconstructor\np0\n(csklearn.linear_model._base\nLinearRegression\np1\ntp53\n.", "a pickle", "save_model"},
		"pickle of a dictionary, protocol 0":  {"(dp0\nVa\np1\nI1\ns.", "a pickle", "save_model"},
		"pickle of a list, with a line break": {"(lp0\r\nI1\r\naI2\r\na.\r\n", "a pickle", "save_model"},
		"pickle of a dictionary, protocol 1":  {"}q\x00X\x01\x00\x00\x00aq\x01K\x01s.", "a pickle", "save_model"},
		"nothing":                             {"", "empty", "save_model"},
		"nothing but line breaks":             {"\n\n", "empty", "save_model"},
		"compressed joblib":                   {"\x78\x9c\x01\x02", "a compressed pickle", "save_model"},
		"gzip":                                {"\x1f\x8b\x08", "gzip", "Unpack"},
		"ONNX":                                {"\x08\x08\x12\x08skl2onnx\x1a\x06", "an ONNX model", "save_model"},
		"ONNX, other maker":                   {"\x08\x09\x12\x03abc..TreeEnsembleRegressor", "an ONNX model", "save_model"},
		"HDF5":                                {"\x89HDF\r\n", "an HDF5 file", "Perennial's own algorithms"},
		"zip":                                 {"PK\x03\x04", "a zip archive", "Perennial's own algorithms"},
		"CatBoost":                            {"CBM1....", "a CatBoost model", "Perennial's own algorithms"},
		"CatBoost JSON":                       {`{"features_info":{},"oblivious_trees":[]}`, "a CatBoost model", "Perennial's own algorithms"},
		"PMML":                                {`<?xml version="1.0"?><PMML/>`, "an XML file", "Perennial's own algorithms"},
		"XGBoost, old":                        {"binf\x00\x00", "old binary form", "save_model(\"model.json\")"},
		"LightGBM's dump":                     {`{"name":"tree","version":"v4","tree_info":[]}`, "dump_model", "save_model(\"model.txt\")"},
		"XGBoost's dump":                      {`[{"nodeid":0,"leaf":1}]`, "neither a LightGBM text file nor XGBoost's JSON", "save_model"},
		"other JSON":                          {`{"a":1}`, "neither a LightGBM text file nor XGBoost's JSON", "save_model"},
		"CSV":                                 {"a,b\n1,2\n", "neither a LightGBM text file nor XGBoost's JSON", "save_model"},
		"binary":                              {"\x00\x01\x02", "neither a LightGBM text file nor XGBoost's JSON", "save_model"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := imported.Parse([]byte(c.file))
			message, hint, _ := perennial.Explain(err)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), message)
			require.Contains(t, message, c.says)
			require.Contains(t, hint, c.hints)
		})
	}
}

// change replaces text in a file of testdata, which must be there.
func change(t *testing.T, name, from, to string) []byte {
	t.Helper()
	b := file(t, name)
	require.True(t, bytes.Contains(b, []byte(from)), from)
	return bytes.Replace(b, []byte(from), []byte(to), 1)
}

// without takes what lies between two texts out of a file of testdata.
func without(t *testing.T, name, from, to string) []byte {
	t.Helper()
	b := file(t, name)
	i, j := bytes.Index(b, []byte(from)), bytes.Index(b, []byte(to))
	require.True(t, i > 0 && i < j)
	return append(b[:i:i], b[j:]...)
}

func TestModelsThatCannotAnswerAreRefused(t *testing.T) {
	t.Parallel()
	const lgb, xgb = "lightgbm_regression.txt", "xgboost_regression.json"
	for name, c := range map[string]struct {
		file []byte
		code perennial.Code
		says string
	}{
		"LightGBM, cut off":      {file(t, lgb)[:1500], perennial.CodeMalformed, `ends before its line "end of trees"`},
		"LightGBM, linear":       {change(t, lgb, "is_linear=0", "is_linear=1"), perennial.CodeInvalid, "linear trees"},
		"LightGBM, objective":    {change(t, lgb, "objective=regression", "objective=regression sqrt"), perennial.CodeInvalid, "regression sqrt"},
		"LightGBM, unknown":      {change(t, lgb, "objective=regression", "objective=cross_entropy_lambda"), perennial.CodeInvalid, "cross_entropy_lambda"},
		"LightGBM, version":      {change(t, lgb, "version=v4", "version=v9"), perennial.CodeInvalid, `"v9"`},
		"LightGBM, missing type": {change(t, lgb, "decision_type=", "decision_type=12 "), perennial.CodeMalformed, "decision_type"},
		"LightGBM, short line":   {change(t, lgb, "leaf_value=", "leaf_value=1 "), perennial.CodeMalformed, "leaf_value"},
		"LightGBM, loop":         {change(t, lgb, "left_child=", "left_child=0 "), perennial.CodeMalformed, "left_child"},
		"LightGBM, classes":      {change(t, lgb, "num_class=1\nnum_tree_per_iteration=1", "num_class=2\nnum_tree_per_iteration=2"), perennial.CodeInvalid, "2 trees per iteration"},
		"LightGBM, class count":  {change(t, lgb, "num_class=1", "num_class=1000000000"), perennial.CodeMalformed, `num_class is "1000000000"`},
		"LightGBM, last trees":   {without(t, lgb, "Tree=2", "end of trees"), perennial.CodeMalformed, "2 of its 4 trees"},
		"LightGBM, middle trees": {without(t, lgb, "Tree=1", "Tree=3"), perennial.CodeMalformed, `Tree="3" where Tree=1 belongs`},
		"LightGBM, tree number":  {change(t, lgb, "Tree=2", "Tree=\x002"), perennial.CodeMalformed, "where Tree=2 belongs"},
		"XGBoost, cut off":       {file(t, xgb)[:2000], perennial.CodeMalformed, "JSON can't be read"},
		"XGBoost, gblinear":      {change(t, xgb, `"name":"gbtree"`, `"name":"gblinear"`), perennial.CodeInvalid, "gblinear"},
		"XGBoost, objective":     {change(t, xgb, "reg:squarederror", "survival:aft"), perennial.CodeInvalid, `the objective "survival:aft" of xgboost`},
		"XGBoost, targets":       {change(t, xgb, `"num_target":"1"`, `"num_target":"2"`), perennial.CodeInvalid, "2 targets"},
		"XGBoost, vector leaves": {change(t, xgb, `"size_leaf_vector":"1"`, `"size_leaf_vector":"3"`), perennial.CodeInvalid, "several values per leaf"},
		"XGBoost, base":          {change(t, xgb, `"base_score":"[`, `"base_score":"[nan,`), perennial.CodeMalformed, "base_score"},
		"XGBoost, loop":          {change(t, xgb, `"left_children":[1`, `"left_children":[0`), perennial.CodeMalformed, "leads to node 0"},
		"XGBoost, outside":       {change(t, xgb, `"left_children":[1`, `"left_children":[1000`), perennial.CodeMalformed, "leads to node 1000"},
		"XGBoost, columns":       {change(t, xgb, `"left_children":[1`, `"left_children":[1,1`), perennial.CodeMalformed, "different lengths"},
		"XGBoost, trees":         {change(t, xgb, `"num_trees":"8"`, `"num_trees":"9"`), perennial.CodeMalformed, "8 of its 9 trees"},
		"XGBoost, nodes":         {change(t, xgb, `"num_nodes":"`, `"num_nodes":"1`), perennial.CodeMalformed, "nodes"},
		"XGBoost, classes":       {change(t, xgb, `"num_class":"0"`, `"num_class":"3"`), perennial.CodeInvalid, "reg:squarederror model with 3 classes"},
		"XGBoost, version":       {change(t, xgb, `"version":[3,`, `"version":[99,`), perennial.CodeInvalid, "99.2.0"},
		"XGBoost, a key twice":   {change(t, xgb, `"version":[3,`, `"learner": {}, "version":[3,`), perennial.CodeMalformed, `"learner" twice`},
		"XGBoost, NaN":           {[]byte(stump("NaN")), perennial.CodeMalformed, "threshold"},
		"XGBoost, infinite":      {[]byte(stump("1e50")), perennial.CodeMalformed, "JSON can't be read"},
		"UBJSON, cut off":        {file(t, "xgboost_regression_ubjson.ubj")[:3000], perennial.CodeMalformed, "binary JSON"},
		"too many features":      {change(t, xgb, `"num_class":"0","num_feature":"3"`, `"num_class":"0","num_feature":"1000000000"`), perennial.CodeInvalid, "features"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := imported.Parse(c.file)
			message, _, _ := perennial.Explain(err)
			require.Equal(t, c.code, perennial.CodeOf(err), message)
			require.Contains(t, message, c.says)
		})
	}
}

func TestFewNumbersMakeNoLargeSets(t *testing.T) {
	t.Parallel()
	lists := strings.Repeat("16777215,", 20) + "16777215"
	text := strings.Replace(stump("0"), `"split_type":[0,0,0]`, `"split_type":[1,0,0],"categories":[`+lists+`],"categories_nodes":[0,0,0,0,0],"categories_segments":[0,1,2,3,4],"categories_sizes":[1,1,1,1,1]`, 1)
	_, err := imported.Parse([]byte(text))
	require.Equal(t, perennial.CodeTooLarge, perennial.CodeOf(err), "%v", err)
}

package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

const (
	iris = `name: iris
task: classification
data: {path: data/raw/iris.csv, target: species}
schema: pipelines/iris.schema.yaml
split: {by: given, file: pipelines/iris.split.csv}
candidates:
  - {algorithm: logistic_regression, params: {c: 1}, search: {c: {log: [0.01, 100]}}}
`
	irisSchema = `columns:
  sepal_length: {type: numeric}
  petal_width: {type: numeric}
  colour: {type: categorical}
  seen: {type: date}
  note: {role: ignore}
  species: {role: target, type: categorical, values: [setosa, versicolor, virginica]}
`
)

// project writes files into a new directory.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func good() map[string]string {
	return map[string]string{"pipelines/iris.yaml": iris, "pipelines/iris.schema.yaml": irisSchema, "pipelines/iris.split.csv": "row\n3\n0\n"}
}

func TestLoadReadsPipelineSchemaAndSplit(t *testing.T) {
	t.Parallel()
	dir := project(t, good())
	spec, err := pipeline.Load(dir, "pipelines/iris.yaml")
	require.NoError(t, err)
	require.Equal(t, "iris", spec.Pipeline.Name)
	require.Len(t, spec.Schema.Columns, 6)
	require.Equal(t, []int{3, 0}, spec.Given)
	require.Equal(t, iris, spec.Source)
	require.Equal(t, spec.Hash(), spec.Revision)
	absolute, err := pipeline.Load(dir, filepath.Join(dir, "pipelines/iris.yaml"))
	require.NoError(t, err)
	require.Equal(t, spec, absolute)
}

func TestRevisionFollowsTheMeaningNotTheText(t *testing.T) {
	t.Parallel()
	revision := func(change func(map[string]string)) string {
		files := good()
		change(files)
		spec, err := pipeline.Load(project(t, files), "pipelines/iris.yaml")
		require.NoError(t, err)
		return spec.Revision
	}
	base := revision(func(map[string]string) {})
	for name, change := range map[string]func(map[string]string){
		"comment":         func(f map[string]string) { f["pipelines/iris.yaml"] += "# why\n" },
		"written default": func(f map[string]string) { f["pipelines/iris.yaml"] += "tuning: {folds: 5}\n" },
		"schema default":  func(f map[string]string) { f["pipelines/iris.schema.yaml"] += "extra_columns: ignore\n" },
	} {
		require.Equal(t, base, revision(change), name)
	}
	for name, change := range map[string]func(map[string]string){
		"setting": func(f map[string]string) { f["pipelines/iris.yaml"] += "tuning: {folds: 6}\n" },
		"schema":  func(f map[string]string) { f["pipelines/iris.schema.yaml"] += "extra_columns: warn\n" },
		"rows":    func(f map[string]string) { f["pipelines/iris.split.csv"] += "7\n" },
	} {
		require.NotEqual(t, base, revision(change), name)
	}
}

func TestLoadGivesTheFaultsOfAllItsFiles(t *testing.T) {
	t.Parallel()
	files := good()
	files["pipelines/iris.yaml"] = strings.Replace(iris, "task:", "taks: x\ntask:", 1)
	files["pipelines/iris.schema.yaml"] += "extra_columns: drop\n"
	files["pipelines/iris.split.csv"] = "rows\n1\n\n1\r\n-1\nx\n"
	_, err := pipeline.Load(project(t, files), "pipelines/iris.yaml")
	_, _, fields := perennial.Explain(err)
	var got []string
	for _, f := range fields {
		got = append(got, f.File)
	}
	require.Equal(t, []string{"pipelines/iris.schema.yaml", "pipelines/iris.split.csv", "pipelines/iris.split.csv", "pipelines/iris.split.csv", "pipelines/iris.split.csv", "pipelines/iris.yaml"}, got)
	require.Equal(t, []string{"8 /extra_columns choice", "1  syntax", "4  duplicate", "5  type", "6  type", "2 /taks unknown_key"}, at(t, err))
	message, hint, _ := perennial.Explain(err)
	require.Equal(t, `pipelines/iris.schema.yaml:8: extra_columns can't be "drop"; it is one of ignore, warn, reject. There are 5 more faults in 3 files.`, message)
	require.NotEmpty(t, hint)
}

func TestLoadChecksThePipelineAgainstItsSchema(t *testing.T) {
	t.Parallel()
	churn := func(f map[string]string) { // two classes, which some settings need
		f["pipelines/iris.schema.yaml"] = strings.Replace(irisSchema, ", virginica", "", 1)
	}
	cost := func(positive, negative string) func(map[string]string) {
		return func(f map[string]string) {
			churn(f)
			f["pipelines/iris.yaml"] = strings.Replace(iris, "target: species", "target: species, positive: setosa", 1) + "threshold: {cost: {false_positive: " + positive + ", false_negative: " + negative + "}}\n"
		}
	}
	for name, c := range map[string]struct {
		from, to string // in iris.yaml; an empty from appends
		schema   func(map[string]string)
		want     []string
	}{
		"target misspelt":         {"target: species", "target: specis", nil, []string{"3 /data/target reference"}},
		"target is a feature":     {"target: species", "target: colour", nil, []string{"3 /data/target reference"}},
		"task and target":         {"classification", "regression", nil, []string{"3 /data/target applies", "7 /candidates/0/algorithm task"}},
		"positive of three":       {"target: species", "target: species, positive: setosa", nil, []string{"3 /data/positive applies"}},
		"positive unknown":        {"target: species", "target: species, positive: rosa", churn, []string{"3 /data/positive choice"}},
		"null value is a class":   {"target: species", "target: species, csv: {null_values: [setosa]}", nil, []string{"3 /data/csv/null_values applies"}},
		"metric misspelt":         {"", "select: {metric: logloss}", nil, []string{"8 /select/metric choice"}},
		"metric of regression":    {"", "select: {metric: rmse}", nil, []string{"8 /select/metric applies"}},
		"metric of three classes": {"", "gates: [{metric: top_k_accuracy, min: 0.5}]", churn, []string{"8 /gates/0/metric applies"}},
		"metric of any classes":   {"", "gates: [{metric: average_precision, min: 0.5}, {metric: f1_macro, min: 0.5}]", nil, nil},
		"threshold of no classes": {"target: species", "target: species, positive: setosa", func(f map[string]string) {
			churn(f)
			f["pipelines/iris.yaml"] += "threshold: {maximize: roc_auc}\n"
		}, []string{"8 /threshold/maximize applies"}},
		"metric needs positive":   {"", "gates: [{metric: average_precision, min: 0.5}]", churn, []string{"3 /data/positive required"}},
		"threshold of three":      {"", "threshold: {maximize: f1}", nil, []string{"8 /threshold applies"}},
		"threshold of two":        {"", "threshold: {maximize: f1}", churn, []string{"3 /data/positive required"}},
		"a cost below 0":          {"", "", cost("-1", "1"), []string{"8 /threshold/cost/false_positive range"}},
		"both costs below 0":      {"", "", cost("-1", "-2"), []string{"8 /threshold/cost/false_positive range", "8 /threshold/cost/false_negative range"}},
		"both costs 0":            {"", "", cost("0", "0"), []string{"8 /threshold/cost range"}},
		"slice unknown":           {"", "slices: [color]", nil, []string{"8 /slices/0 reference"}},
		"slice ignored":           {"", "slices: [note]", nil, []string{"8 /slices/0 reference"}},
		"slice of a number":       {"", "slices: [petal_width]", nil, []string{"8 /slices/0 applies"}},
		"gate on no slice":        {"", "gates: [{metric: f1, min: 0.5, slice: colour}]", nil, []string{"8 /gates/0/slice reference"}},
		"group unknown":           {"{by: given, file: pipelines/iris.split.csv}", "{by: group, column: nope}", nil, []string{"5 /split/column reference"}},
		"group is the target":     {"{by: given, file: pipelines/iris.split.csv}", "{by: group, column: species}", nil, []string{"5 /split/column applies"}},
		"time of a category":      {"{by: given, file: pipelines/iris.split.csv}", "{by: time, column: colour}", nil, []string{"5 /split/column applies"}},
		"preprocess unknown":      {"", "preprocess: {columns: {color: {encode: ordinal}}}", nil, []string{"8 /preprocess/columns/color unknown"}},
		"native for no tree":      {"", "preprocess: {categorical: {encode: native}}", nil, []string{"8 /preprocess/categorical/encode applies"}},
		"no value to impute":      {"", "preprocess: {columns: {petal_width: {impute: constant}}}", nil, []string{"8 /preprocess/columns/petal_width/value required"}},
		"all dropped":             {"", "preprocess: {numeric: {drop: true}, categorical: {drop: true}, boolean: {drop: true}, date: {drop: true}}", nil, []string{"8 /preprocess required"}},
		"preprocess wrong type":   {"", "preprocess:\n  columns:\n    colour: {scale: standard}", nil, []string{"10 /preprocess/columns/colour/scale applies"}},
		"algorithm unknown":       {"logistic_regression", "logistic_regresion", nil, []string{"7 /candidates/0/algorithm unknown"}},
		"parameter unknown":       {"params: {c: 1}", "params: {cc: 1}", nil, []string{"7 /candidates/0/params/cc unknown"}},
		"schema isn't there":      {"iris.schema.yaml", "iris.schem.yaml", nil, []string{"4 /schema path"}},
		"split file isn't there":  {"iris.split.csv", "nope.csv", nil, []string{"5 /split/file path"}},
		"schema outside":          {"pipelines/iris.schema.yaml", "../x.yaml", nil, []string{"4 /schema path"}},
		"schema is no YAML":       {"", "", func(f map[string]string) { f["pipelines/iris.schema.yaml"] = "columns: [" }, []string{"1  syntax"}},
		"two classes, all set":    {"target: species", "target: species, positive: setosa", churn, nil},
		"slices, group and gates": {"{by: given, file: pipelines/iris.split.csv}", "{by: group, column: colour}\nslices: [colour]\ngates: [{metric: accuracy, min: 0.5, slice: colour}]", nil, nil},
		"split by time":           {"{by: given, file: pipelines/iris.split.csv}", "{by: time, column: seen}", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := good()
			if c.from == "" {
				files["pipelines/iris.yaml"] += c.to + "\n"
			} else {
				require.Contains(t, iris, c.from)
				files["pipelines/iris.yaml"] = strings.Replace(iris, c.from, c.to, 1)
			}
			if c.schema != nil {
				c.schema(files)
			}
			_, err := pipeline.Load(project(t, files), "pipelines/iris.yaml")
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.want, at(t, err))
		})
	}
}

func TestLoadStaysInTheProject(t *testing.T) {
	t.Parallel()
	outside := project(t, map[string]string{"secret.yaml": irisSchema})
	files := good()
	delete(files, "pipelines/iris.schema.yaml")
	dir := project(t, files)
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret.yaml"), filepath.Join(dir, "pipelines/iris.schema.yaml")))
	_, err := pipeline.Load(dir, "pipelines/iris.yaml")
	require.Equal(t, []string{"4 /schema path"}, at(t, err))
	message, _, _ := perennial.Explain(err)
	require.NotContains(t, message, outside)
}

func TestLoadDir(t *testing.T) {
	t.Parallel()
	files := good()
	files["pipelines/b.yaml"] = strings.Replace(iris, "name: iris", "name: b", 1)
	files["pipelines/notes.txt"] = "no pipeline"
	dir := project(t, files)
	specs, broken, err := pipeline.LoadDir(dir, "pipelines")
	require.NoError(t, err)
	require.Empty(t, broken)
	require.NoError(t, pipeline.Faults(broken))
	require.Len(t, specs, 2)
	require.Equal(t, "b", specs[0].Pipeline.Name)
	require.Equal(t, "iris", specs[1].Pipeline.Name)

	_, _, err = pipeline.LoadDir(dir, "nope")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = pipeline.Load(dir, "pipelines/nope.yaml")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	empty, _, err := pipeline.LoadDir(project(t, map[string]string{"pipelines/readme": ""}), "pipelines")
	require.NoError(t, err)
	require.Empty(t, empty)
}

func TestABrokenFileKeepsNoOtherFromLoading(t *testing.T) {
	t.Parallel()
	files := good()
	files["pipelines/a.yaml"] = "version: 1\nname: a # mine\ntask: [\n" // no YAML, and its name can be read
	files["pipelines/b.yaml"] = "{name: b\n"
	files["pipelines/d.yaml"] = "name: d\n"
	files["pipelines/j.yaml"] = iris
	specs, broken, err := pipeline.LoadDir(project(t, files), "pipelines")
	require.NoError(t, err)
	require.Len(t, specs, 1)
	require.Equal(t, "iris", specs[0].Pipeline.Name)
	require.Len(t, broken, 4)
	want := []pipeline.Broken{{File: "pipelines/a.yaml", Name: "a"}, {File: "pipelines/b.yaml"}, {File: "pipelines/d.yaml", Name: "d"}, {File: "pipelines/j.yaml", Name: "iris"}}
	for i, b := range broken {
		message, _, _ := perennial.Explain(b.Err)
		require.Contains(t, message, b.File+":")
		b.Err = nil
		require.Equal(t, want[i], b)
	}
	require.Equal(t, []string{"1 /task required", "1 /data required", "1 /schema required", "1 /candidates required"}, at(t, broken[2].Err))
	require.Equal(t, []string{"1 /name duplicate"}, at(t, broken[3].Err))
	require.Len(t, at(t, pipeline.Faults(broken)), 7)
}

// TestTheRepositorysPipelinesLoad reads the sample project itself.
func TestTheRepositorysPipelinesLoad(t *testing.T) {
	t.Parallel()
	specs, broken, err := pipeline.LoadDir("../..", "pipelines")
	require.NoError(t, err)
	require.Empty(t, broken)
	require.Len(t, specs, 2)
	require.Equal(t, "california-housing", specs[0].Pipeline.Name)
	require.Len(t, specs[0].Given, 4128)
	require.Len(t, specs[1].Given, 30)
}

func TestAMisspeltTaskIsTheOnlyFault(t *testing.T) {
	t.Parallel()
	files := good()
	files["pipelines/iris.yaml"] = strings.Replace(iris, "task: classification", "task: classifications", 1)
	_, err := pipeline.Load(project(t, files), "pipelines/iris.yaml")
	require.Equal(t, []string{"2 /task choice"}, at(t, err))
}

func TestNoYAMLIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	const head = "# first\nversion: 1\nname: iris\ndata:\n  path: [a,\n    b]\n" // six lines
	tail := strings.Repeat("more: {x: [1,\n  2]}\n", 30)
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"indented too far":           {head + "candidates:\n  - {algorithm: ridge}\n    params: {x: 1}\n", 9},
		"indented too little":        {head + "candidates:\n    - 1\n  - 2\n", 9},
		"no colon":                   {head + "schema\nb: 1\n", 7},
		"two colons":                 {head + "schema: b: 1\n", 7},
		"never closed":               {head + "schema: [1\nb: 2\n", 7},
		"no end of the quotes":       {head + "schema: \"x\n", 7},
		"a tab":                      {head + "schema:\n\tx: 1\n", 8},
		"in the first line":          {"a: b: c\nd: 1\n", 1},
		"with much behind":           {head + "schema: b: 1\n" + tail, 7},
		"with much before":           {tail + "schema: b: 1\n", 61},
		"with much on either side":   {tail + "schema: b: 1\n" + tail, 61},
		"a value of several lines":   {head + "note: |\n  x\n  y\nschema: b: 1\n", 10},
		"an anchor that isn't there": {head + "schema: *x\nb: 1\n", 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pipeline.Decode("p.yaml", []byte(c.text))
			require.Equal(t, []string{fmt.Sprintf("%d  syntax", c.line)}, at(t, err))
		})
	}
}

func TestASliceSaysWhichColumnsThereAre(t *testing.T) {
	t.Parallel()
	schema := "columns:\n  id: {role: id}\n  plan: {type: categorical, values: [a, b]}\n  vip: {type: boolean}\n  age: {type: integer}\n  species: {role: target, type: categorical, values: [setosa, versicolor]}\n"
	for column, want := range map[string]string{
		"plan": "", "vip": "",
		"age":     "age can't be sliced by: each value of a slice's column is a slice, so that it must be a categorical or boolean feature, and it is integer. There are plan, vip.",
		"species": "species can't be sliced by: each value of a slice's column is a slice, so that it must be a categorical or boolean feature, and it is the target. There are plan, vip.",
		"plam":    `The schema has no column "plam"; did you mean plan?`,
	} {
		files := good()
		files["pipelines/iris.yaml"] = "name: iris\ntask: classification\ndata: {path: data/raw/iris.csv, target: species}\nschema: pipelines/iris.schema.yaml\ncandidates: [{algorithm: random_forest}]\nslices: [" + column + "]\n"
		files["pipelines/iris.schema.yaml"] = schema
		_, err := pipeline.Load(project(t, files), "pipelines/iris.yaml")
		if want == "" {
			require.NoError(t, err)
			continue
		}
		_, _, fields := perennial.Explain(err)
		require.Len(t, fields, 1)
		require.Equal(t, want, fields[0].Message)
	}
}

package mlflow

import (
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// Flavor is how a library's model lies among the files of a logged model.
type Flavor struct {
	Path  string // of its file or directory, relative to MLmodel, with slashes; "" where MLmodel doesn't say
	Class string // of the Python object, as lightgbm.basic.Booster; "" where MLmodel doesn't say
}

// ParseFlavors reads the flavors of an MLmodel file, by name. Errors: malformed
// for what is no such file, invalid for a path that leads elsewhere.
func ParseFlavors(mlmodel []byte) (map[string]Flavor, error) {
	const op = "mlflow.ParseFlavors"
	var doc struct {
		Flavors map[string]map[string]any `yaml:"flavors"`
	}
	if err := yaml.Unmarshal(mlmodel, &doc); err != nil || len(doc.Flavors) == 0 {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the file MLmodel names no flavors").Because(err)
	}
	out := make(map[string]Flavor, len(doc.Flavors))
	for name, keys := range doc.Flavors {
		f := Flavor{}
		for _, key := range []string{"data", "model_file", "model_path", "pickled_model"} { // the second is ours, the last are scikit-learn's
			if p, ok := keys[key].(string); ok && f.Path == "" {
				f.Path = p
			}
		}
		f.Class, _ = keys["model_class"].(string)
		if f.Path != "" && (!fs.ValidPath(f.Path) || strings.ContainsAny(f.Path, "\\\x00")) {
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "the file MLmodel names the path %q, which leads elsewhere", f.Path)
		}
		out[name] = f
	}
	return out, nil
}

// FlavorNames lists flavors for people: the libraries, without MLflow's own
// wrapper where there is another.
func FlavorNames(flavors map[string]Flavor) string {
	names := slices.Sorted(maps.Keys(flavors))
	if len(names) > 1 {
		names = slices.DeleteFunc(names, func(n string) bool { return n == "python_function" })
	}
	return strings.Join(names, ", ")
}

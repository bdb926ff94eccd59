package archtest_test

import (
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// source is one Go file: where it stands, what it imports, on which condition
// it is built ("" for always).
type source struct {
	file, pkg  string
	test       bool
	constraint string
	imports    []string
}

// sources reads the package clause and imports of every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(file, d.Name())
		}
		if filepath.Ext(file) == ".go" {
			all = append(all, parse(t, file))
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

func skipDir(file, name string) error {
	switch {
	case file == root:
		return nil
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "_"), name == "testdata":
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
		return filepath.SkipDir // a module of its own
	}
	return nil
}

func parse(t *testing.T, file string) source {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
	require.NoError(t, err)
	rel, err := filepath.Rel(root, file)
	require.NoError(t, err)
	s := source{file: filepath.ToSlash(rel), pkg: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(file, "_test.go")}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		require.NoError(t, err)
		s.imports = append(s.imports, p)
	}
	for _, group := range f.Comments {
		for _, c := range group.List {
			if x, err := constraint.Parse(c.Text); err == nil && c.Pos() < f.Package {
				s.constraint = x.String()
			}
		}
	}
	return s
}

func TestEveryImportGoesDown(t *testing.T) {
	t.Parallel()
	o, err := readOrder("imports.txt")
	require.NoError(t, err)
	var faults []string
	for _, f := range sources(t) {
		for _, i := range f.imports {
			if fault := o.check(f, i); fault != "" {
				faults = append(faults, f.file+" (imports "+i+"): "+fault)
			}
		}
	}
	require.Empty(t, faults, "imports.txt says which package may import which:\n%s", strings.Join(faults, "\n"))
}

func TestEveryPackageStandsInALayer(t *testing.T) {
	t.Parallel()
	o, err := readOrder("imports.txt")
	require.NoError(t, err)
	var lost []string
	for _, f := range sources(t) {
		// A package without imports but with code has to be placed as well; only
		// directories that hold nothing but tests and their doc.go are free.
		if _, _, ok := o.place(f.pkg); !ok && !f.test && filepath.Base(f.file) != "doc.go" && !slices.Contains(lost, f.pkg) {
			lost = append(lost, f.pkg)
		}
	}
	require.Empty(t, lost, "add these packages to a layer of imports.txt")
}

// TestTheOrderRefuses shows every kind of rule failing, so that a green run of
// the tests above means something.
func TestTheOrderRefuses(t *testing.T) {
	t.Parallel()
	o, err := readOrder("imports.txt")
	require.NoError(t, err)
	for _, c := range []struct {
		name     string
		file     source
		imported string
		refused  bool
	}{
		{"the domain imports a library", source{pkg: "."}, "github.com/google/uuid", true},
		{"the domain's test imports a library", source{pkg: ".", test: true}, "github.com/stretchr/testify/require", false},
		{"the domain imports Go's own", source{pkg: "."}, "encoding/json", false},
		{"an import upwards", source{pkg: "internal/db"}, module + "/internal/tracking", true},
		{"an import downwards", source{pkg: "internal/tracking"}, module + "/internal/db", false},
		{"a neighbour without leave", source{pkg: "internal/tracking"}, module + "/internal/serve", true},
		{"a neighbour with leave", source{pkg: "internal/dvc"}, module + "/internal/blob", false},
		{"a child of the same unit", source{pkg: "models"}, module + "/models/tree", false},
		{"pipeline and the algorithms", source{pkg: "internal/pipeline"}, module + "/models", false},
		{"an unknown package", source{pkg: "internal/db"}, module + "/internal/util", true},
		{"a workflow sees internal", source{pkg: "workflows"}, module + "/internal/client", true},
		{"a workflow does arithmetic", source{pkg: "workflows"}, "math", true},
		{"a workflow sees the steps", source{pkg: "workflows"}, module + "/activities", false},
		{"a step sees GORM", source{pkg: "activities"}, "gorm.io/gorm", true},
		{"a step sees a Temporal client", source{pkg: "activities"}, "go.temporal.io/sdk/client", true},
		{"a step heartbeats", source{pkg: "activities"}, "go.temporal.io/sdk/activity", false},
		{"the server outside devserver", source{pkg: "internal/app"}, "go.temporal.io/server/temporal", true},
		{"the server in a test", source{pkg: "workflows", test: true}, "go.temporal.io/server/temporaltest", true},
		{"the server in devserver", source{pkg: "internal/devserver"}, "go.temporal.io/server/temporal", false},
		{"devserver in the lean binary", source{pkg: "cmd/perennial"}, module + "/internal/devserver", true},
		{"devserver in the full binary", source{pkg: "cmd/perennial", constraint: "!lean"}, module + "/internal/devserver", false},
		{"devserver from elsewhere", source{pkg: "internal/app", constraint: "!lean"}, module + "/internal/devserver", true},
		{"devserver's own test", source{pkg: "internal/devserver", test: true}, module + "/internal/devserver", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fault := o.check(c.file, c.imported)
			require.Equal(t, c.refused, fault != "", fault)
		})
	}
}

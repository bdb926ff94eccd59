package dashboards_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const (
	root      = ".."
	rulesFile = root + "/deploy/prometheus/rules.yml"
)

// query is one PromQL expression and where it stands.
type query struct {
	where, expr string
	alert       bool
}

// metricName is how the program's own metrics are named.
var metricName = regexp.MustCompile(`\bperennial_[a-z0-9_]+`)

// panel is what the tests read of a Grafana panel; rows hold panels.
type panel struct {
	Title   string
	Targets []struct {
		Expr string
	}
	Panels []panel
}

// dashboardQueries reads every query of every dashboard, those behind variables
// included.
func dashboardQueries(t *testing.T) []query {
	t.Helper()
	files, err := filepath.Glob("*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []query
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		var d struct {
			UID        string
			Panels     []panel
			Templating struct {
				List []struct{ Name, Type, Definition string }
			}
		}
		require.NoError(t, json.Unmarshal(b, &d), file)
		require.NotEmpty(t, d.UID, file)
		for _, v := range d.Templating.List {
			if inner, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
				metric, _, _ := strings.Cut(inner, ",")
				all = append(all, query{where: file + " $" + v.Name, expr: metric})
			}
		}
		all = append(all, panelQueries(file, d.Panels)...)
	}
	return all
}

func panelQueries(file string, panels []panel) (all []query) {
	for _, p := range panels {
		for _, target := range p.Targets {
			all = append(all, query{where: file + " " + p.Title, expr: target.Expr})
		}
		all = append(all, panelQueries(file, p.Panels)...)
	}
	return all
}

// alertQueries reads the expressions of the alert rules.
func alertQueries(t *testing.T) (all []query) {
	t.Helper()
	b, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	var f struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal(b, &f))
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			all = append(all, query{where: "alert " + r.Alert, expr: r.Expr, alert: true})
		}
	}
	require.NotEmpty(t, all)
	return all
}

// exported finds the metrics that the program exports: string literals of its
// source that are a metric's whole name. CONTRIBUTING asks to write them so.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "tools"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil && metricName.FindString(s) == s && s != "" {
					names[s] = true
				}
			}
			return true
		})
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names
}

// base takes off what a histogram adds to its name.
func base(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if b, ok := strings.CutSuffix(name, suffix); ok {
			return b
		}
	}
	return name
}

func TestEveryQueryNamesAMetricWeExport(t *testing.T) {
	t.Parallel()
	have := exported(t)
	for _, q := range slices.Concat(dashboardQueries(t), alertQueries(t)) {
		names := metricName.FindAllString(q.expr, -1)
		if len(names) == 0 {
			// Go's and the process's own collectors, and Prometheus' up.
			require.Regexp(t, `\b(go_|process_|up\b)`, q.expr, q.where)
		}
		for _, n := range names {
			require.True(t, have[n] || have[base(n)], "%s names %s, which nothing exports", q.where, n)
		}
	}
}

func TestEveryMetricIsShownOrAlertsSomebody(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, q := range slices.Concat(dashboardQueries(t), alertQueries(t)) {
		for _, n := range metricName.FindAllString(q.expr, -1) {
			shown[n], shown[base(n)] = true, true
		}
	}
	for n := range exported(t) {
		require.True(t, shown[n], "no panel and no alert shows %s", n)
	}
}

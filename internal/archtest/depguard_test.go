package archtest_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the depguard rules of .golangci.yml anew from imports.txt")

const (
	lintFile  = root + "/.golangci.yml"
	rulesFrom = "        # Written from internal/archtest/imports.txt by go test ./internal/archtest -update.\n"
	rulesTo   = "        # End of the written rules.\n"
)

// TestDepguardFollowsTheImportOrder keeps the linter's rules, which an editor
// shows at once, equal to imports.txt.
func TestDepguardFollowsTheImportOrder(t *testing.T) {
	t.Parallel()
	o, err := readOrder("imports.txt")
	require.NoError(t, err)
	b, err := os.ReadFile(lintFile)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(b), rulesFrom)
	require.True(t, ok, "the first marker is missing")
	have, after, ok := strings.Cut(rest, rulesTo)
	require.True(t, ok, "the last marker is missing")
	want := depguard(o)
	if *update {
		require.NoError(t, os.WriteFile(lintFile, []byte(before+rulesFrom+want+rulesTo+after), 0o644))
		return
	}
	require.Equal(t, want, have, "run go test ./internal/archtest -update")
}

// depguard writes one rule for each layer (nothing above it), one for each
// never line, one for each only line. What holds within a layer, and the build
// constraint, the linter can't say: the test checks them alone.
func depguard(o *order) string {
	var w strings.Builder
	for i, l := range o.layers {
		files := []string{"!$test"}
		for _, u := range l.units {
			files = append(files, glob(u))
		}
		var deny [][2]string
		for _, above := range o.layers[i+1:] {
			for _, u := range above.units {
				deny = append(deny, [2]string{importPath(u), "imports go down only: " + l.name + " is below " + above.name})
			}
		}
		if len(deny) > 0 {
			writeRule(&w, "layer-"+l.name, files, deny)
		}
	}
	for _, u := range o.std {
		writeAllow(&w, "std-"+name(u), []string{"!$test", glob(u)})
	}
	for _, r := range o.never {
		var deny [][2]string
		for _, p := range r.objects {
			deny = append(deny, [2]string{exact(p), r.subject + " must never import it"})
		}
		writeRule(&w, "never-"+name(r.subject), []string{"!$test", glob(r.subject)}, deny)
	}
	for _, r := range o.only {
		files := []string{"$all"}
		for _, u := range r.objects {
			files = append(files, "!"+glob(u))
		}
		if self, ours := relative(r.subject); ours {
			files = append(files, "!"+glob(self))
		}
		if !strings.Contains(r.subject, "server") {
			files = append(files, "!$test")
		}
		writeRule(&w, "only-"+name(strings.TrimPrefix(r.subject, module+"/")), files, [][2]string{{r.subject, "only for " + strings.Join(r.objects, ", ")}})
	}
	return w.String()
}

func writeRule(w *strings.Builder, name string, files []string, deny [][2]string) {
	fmt.Fprintf(w, "        %s:\n          list-mode: lax\n", name)
	writeFiles(w, files)
	w.WriteString("          deny:\n")
	for _, d := range deny {
		fmt.Fprintf(w, "            - {pkg: %q, desc: %q}\n", d[0], d[1])
	}
}

func writeAllow(w *strings.Builder, name string, files []string) {
	fmt.Fprintf(w, "        %s:\n          list-mode: strict\n", name)
	writeFiles(w, files)
	w.WriteString("          allow: [\"$gostd\"]\n")
}

func writeFiles(w *strings.Builder, files []string) {
	w.WriteString("          files:\n")
	for _, f := range files {
		fmt.Fprintf(w, "            - %q\n", f)
	}
}

// exact closes a standard package's name, so that math doesn't take math/bits
// with it.
func exact(p string) string {
	if standard(p) {
		return p + "$"
	}
	return p
}

// name makes a rule's name of a package or an import path.
func name(s string) string {
	if s == "." {
		return "domain"
	}
	return strings.Trim(strings.NewReplacer("/...", "", "/", "-", ".", "-").Replace(s), "-")
}

package tracking

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// artifactScheme is the URI scheme of files that this server holds. What follows
// is the file's path below the artifact root; a host between slashes, as in
// mlflow-artifacts://host/1, is the client's affair.
const artifactScheme = "mlflow-artifacts:"

// maxPath is how many bytes a path may have: both databases index it whole.
const maxPath = 1000

// filePath is where a file lies: under the root of the run or logged model that
// it belongs to, as 1/<run id>/artifacts, and below that. What lies outside any
// root has the root "".
type filePath struct{ root, path string }

// String gives the whole path below the artifact root.
func (p filePath) String() string { return join(p.root, p.path) }

// owner gives the id of the run or logged model that has the root.
func (p filePath) owner() string { return path.Base(path.Dir(p.root)) }

// join joins two relative paths, of which either may be empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "/" + b
}

// ownerRE matches the id of what has artifacts of its own: a run, a logged model
// or a trace.
var ownerRE = regexp.MustCompile(`^((m-|tr-)?[0-9a-f]{32})$`)

// split finds the root in a clean path.
func split(clean string) filePath {
	parts := strings.Split(clean, "/")
	for i := 1; i < len(parts); i++ {
		if parts[i] == "artifacts" && ownerRE.MatchString(parts[i-1]) {
			return filePath{root: strings.Join(parts[:i+1], "/"), path: strings.Join(parts[i+1:], "/")}
		}
	}
	return filePath{path: clean}
}

// errPath refuses a path in MLflow's words.
func errPath() error { return mlflow.Invalid("Invalid path") }

// escapedPath reads a path as it stands in an address: percent signs begin an
// escape. Errors as cleanPath's.
func escapedPath(escaped string) (filePath, error) {
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return filePath{}, errPath()
	}
	return cleanPath(text)
}

// cleanPath reads the path of a file below the artifact root. It is relative with
// slashes; empty, "." and ".." parts, backslashes, control characters, drive
// letters and whatever becomes one of these when it is unescaped again are
// refused, because a path is a name here and somebody's file on the client's
// side.
func cleanPath(text string) (filePath, error) {
	if text == "" || len(text) > maxPath {
		return filePath{}, errPath()
	}
	for form := text; ; {
		if !safe(form) {
			return filePath{}, errPath()
		}
		next := unescaped(form)
		if next == form {
			return split(text), nil
		}
		form = next
	}
}

// unescaped reads the escapes of a text, if they can be read.
func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

var driveRE = regexp.MustCompile(`^[A-Za-z]:`)

// safe reports whether a path stays below its root on every system.
func safe(p string) bool {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) || strings.Contains(p, `\`) || driveRE.MatchString(p) {
		return false
	}
	return path.Clean(p) == p && !path.IsAbs(p) && p != "." && p != ".." && !strings.HasPrefix(p, "../")
}

// rootOf gives the path below the artifact root that a URI of ours stands for; ok
// is false for any other URI, whose files lie elsewhere.
func rootOf(uri string) (root string, ok bool) {
	rest, ok := strings.CutPrefix(uri, artifactScheme)
	if !ok {
		return "", false
	}
	if host, isHost := strings.CutPrefix(rest, "//"); isHost {
		if _, rest, ok = strings.Cut(host, "/"); !ok {
			return "", true
		}
	}
	return strings.Trim(rest, "/"), true
}
